package sessiontest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// event is one login as its caller saw it.
type event struct {
	logic.Session
	loser      logic.Session
	begin, end time.Time
}

// history logs in to the same keys from two stores on the same data at the
// same time and checks what was answered: the epochs of a key are distinct,
// and respect real time; each login but the first of a key names the one before
// it as its loser, unless that one had said goodbye; so every loser is told
// once.
func history(t *testing.T, b Backend) {
	const rounds = 150
	stores := []logic.Store{b.Open(t), b.Open(t)}
	prefix := newPrefix()
	keys := []ident.Key{prefix + "x", prefix + "y"}
	var mu sync.Mutex
	var events []event
	goodbye := map[uint64]bool{} // links that said goodbye while they had the key, for all we know
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			server := ident.NewServer("c", time.UnixMicro(int64(i+1)))
			for n := range rounds {
				e := event{Session: logic.Session{Key: keys[n%2], Mid: 7, Server: server, Link: uint64(i*rounds + n + 1)}}
				e.begin = time.Now()
				r := stores[i%2].Connect(context.Background(), []logic.Login{{Key: e.Key, Mid: 7, Server: server, Link: e.Link}})[0]
				e.end = time.Now()
				if r.Err != nil || r.Refused {
					t.Errorf("login: %+v", r)
					return
				}
				e.Epoch, e.loser = r.Epoch, r.Loser
				leave := n%3 == 0
				mu.Lock()
				events = append(events, e)
				goodbye[e.Link] = leave
				mu.Unlock()
				if leave {
					if err := stores[i%2].Disconnect(context.Background(), []logic.Session{e.Session})[0]; err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, key := range keys {
		checkHistory(t, of(events, key), goodbye)
	}
	checkLast(t, stores[0], events, keys, goodbye)
}

// of returns the events of a key in the order of their epochs.
func of(events []event, key ident.Key) (list []event) {
	for _, e := range events {
		if e.Key == key {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b event) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return list
}

func checkHistory(t *testing.T, events []event, goodbye map[uint64]bool) {
	t.Helper()
	for i, e := range events[1:] {
		before := events[i]
		if e.Epoch == before.Epoch {
			t.Errorf("epoch %d was issued twice", e.Epoch)
		}
		if e.end.Before(before.begin) {
			t.Errorf("epoch %d was issued before %d", e.Epoch, before.Epoch)
		}
		if e.loser.Present() && e.loser != before.Session {
			t.Errorf("epoch %d replaced %+v, want %+v", e.Epoch, e.loser, before.Session)
		}
		if !e.loser.Present() && !goodbye[before.Link] {
			t.Errorf("epoch %d replaced nobody, but %+v never left", e.Epoch, before.Session)
		}
	}
}

// checkLast checks that the last login of each key is there, unless it left.
func checkLast(t *testing.T, store logic.Store, events []event, keys []ident.Key, goodbye map[uint64]bool) {
	t.Helper()
	stored, err := store.ByKeys(context.Background(), keys)
	if err != nil {
		t.Fatal(err)
	}
	var want []logic.Session
	for i, key := range keys {
		list := of(events, key)
		last := list[len(list)-1]
		if stored[i].Present() == goodbye[last.Link] || stored[i].Present() && stored[i] != last.Session {
			t.Errorf("%s is %+v, want %+v (left: %v)", key, stored[i], last.Session, goodbye[last.Link])
		}
		if stored[i].Present() {
			want = append(want, last.Session)
		}
	}
	found, err := store.ByMids(context.Background(), []int64{7})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range want {
		if !slices.Contains(found[0], s) {
			t.Errorf("mid 7 lacks %+v", s)
		}
	}
}
