package logic_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// bucketsOf are the buckets of sessions, each once.
func bucketsOf(sessions ...logic.Session) (list []int) {
	for _, s := range sessions {
		if b := roster.Bucket(s.Key); !slices.Contains(list, b) {
			list = append(list, b)
		}
	}
	return list
}

func (w *world) mend(server ident.Server, buckets []int, held ...logic.Session) logic.Mended {
	w.t.Helper()
	m, err := w.svc.Mend(context.Background(), server, buckets, held)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// TestMendAfterLoss: all sessions are gone; what the comet holds comes back, and
// pushes by key and mid find it.
func TestMendAfterLoss(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1)
	var held []logic.Session
	for i := range 10 {
		held = append(held, w.connect(c1, fmt.Sprint("k", i), 7))
	}
	w.store.Memory = session.NewMemory(session.TTLs{}, w.clock.Now)
	w.renew(w.svc, c1)
	if r := w.push(w.svc, "k3"); len(r.AbsentKeys) != 1 {
		t.Fatalf("after the loss: %+v", r)
	}
	for _, missing := range []int{10, 0} {
		if m := w.mend(c1, bucketsOf(held...), held...); len(m.Lost)+len(m.Strangers) != 0 || m.Missing != missing {
			t.Errorf("mended %+v, want %d missing", m, missing)
		}
	}
	if r := w.push(w.svc, "k3", "k4"); r.Accepted != 2 {
		t.Errorf("by key: %+v", r)
	}
	if got, err := w.svc.Sessions(context.Background(), "", 7); err != nil || len(got) != 10 {
		t.Errorf("by mid: %+v, %v", got, err)
	}
}

// TestMendTellsStrangers: what is stored for the comet and not held is told,
// nothing else, and it is not touched.
func TestMendTellsStrangers(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2)
	a, ghost := w.connect(c1, "a", 1), w.connect(c1, "ghost", 1)
	b := w.connect(c2, "b", 1)
	m := w.mend(c1, bucketsOf(a, ghost, b), a)
	if !slices.Equal(m.Strangers, []logic.Session{ghost}) || len(m.Lost) != 0 || m.Missing != 0 {
		t.Errorf("mended %+v, want the stranger %+v", m, ghost)
	}
	if r := w.push(w.svc, "a", "b", "ghost"); r.Accepted != 3 {
		t.Errorf("%+v", r)
	}
}

// TestMendLoser: a comet whose link lost its key hears of it; a comet that
// holds the later login gets the key back, and the earlier link is kicked.
func TestMendLoser(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2)
	first, second := w.connect(c1, "a", 1), w.connect(c2, "a", 1)
	w.pub.Take()
	if m := w.mend(c1, bucketsOf(first), first); !slices.Equal(m.Lost, []logic.Session{first}) || m.Missing != 0 {
		t.Errorf("mended %+v, want %+v lost", m, first)
	}
	// A failover brings the first back.
	w.svc.Disconnect(context.Background(), c2, []logic.Session{second})
	w.store.Memory = session.NewMemory(session.TTLs{}, w.clock.Now)
	w.renew(w.svc, c1, c2)
	w.mend(c1, bucketsOf(first), first)
	if m := w.mend(c2, bucketsOf(second), second); len(m.Lost) != 0 {
		t.Errorf("mended %+v", m)
	}
	want := []string{fmt.Sprint("c1@1 a ", first.Epoch, " replaced")}
	if got := kicks(w.pub.Take()); !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// TestMendRefuses: a comet cannot speak of what it does not list whole.
func TestMendRefuses(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1)
	a := logic.Session{Key: "a", Link: 1, Epoch: 1}
	own := roster.Bucket("a")
	for name, tc := range map[string]struct {
		buckets []int
		held    []logic.Session
	}{
		"another bucket": {[]int{(own + 1) % roster.Buckets}, []logic.Session{a}},
		"no bucket":      {nil, []logic.Session{a}},
		"twice":          {[]int{own, own}, []logic.Session{a}},
		"below":          {[]int{-1}, nil},
		"above":          {[]int{roster.Buckets}, nil},
		"no key":         {[]int{roster.Bucket("")}, []logic.Session{{Link: 1, Epoch: 1}}},
		"no epoch":       {[]int{own}, []logic.Session{{Key: "a", Link: 1}}},
	} {
		if _, err := w.svc.Mend(context.Background(), c1, tc.buckets, tc.held); !errors.Is(err, logic.ErrMend) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r := w.push(w.svc, "a"); len(r.AbsentKeys) != 1 {
		t.Errorf("something was restored: %+v", r)
	}
}
