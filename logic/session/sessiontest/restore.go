package sessiontest

import (
	"context"
	"fmt"
	"testing"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// restore runs the tests of what a comet has mended.
func restore(t *testing.T, b Backend) {
	for _, test := range []struct {
		name string
		run  func(*storeTest)
	}{
		{"what is there", (*storeTest).restoreWhatIsThere},
		{"what was lost", (*storeTest).restoreWhatWasLost},
		{"the loser", (*storeTest).restoreLoser},
		{"an earlier one", (*storeTest).restoreOverEarlier},
		{"after goodbye", (*storeTest).restoreAfterGoodbye},
		{"another epoch", (*storeTest).restoreOtherEpoch},
		{"roster", (*storeTest).roster},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&storeTest{T: t, Store: b.Open(t), b: b, prefix: newPrefix()})
		})
	}
}

func (s *storeTest) restored(session logic.Session) logic.RestoreResult {
	s.Helper()
	results := s.Store.Restore(context.Background(), []logic.Session{session})
	if len(results) != 1 || results[0].Err != nil {
		s.Fatalf("restore: %+v", results)
	}
	return results[0]
}

// restoreWhatIsThere changes nothing, not even the platform if the comet does
// not know it.
func (s *storeTest) restoreWhatIsThere() {
	r := s.Store.Connect(context.Background(), []logic.Login{{
		Key: s.key("a"), Mid: s.mid(1), Server: c1, Link: 1, Platform: "i os%-~",
	}})[0]
	a := logic.Session{Key: s.key("a"), Mid: s.mid(1), Server: c1, Link: 1, Epoch: r.Epoch}
	if got := s.restored(a); got != (logic.RestoreResult{}) {
		s.Errorf("restored: %+v", got)
	}
	a.Platform = "i os%-~"
	s.want("a", a)
	s.wantMid(s.mid(1), a)
}

func (s *storeTest) restoreWhatWasLost() {
	a := logic.Session{Key: s.key("a"), Mid: s.mid(1), Server: c1, Link: 1, Epoch: 1000, Platform: "web"}
	if got := s.restored(a); got != (logic.RestoreResult{}) {
		s.Errorf("restored: %+v", got)
	}
	s.want("a", a)
	s.wantMid(s.mid(1), a)
	if r := s.login("a", s.mid(1), c2, 1); r.Loser != a || r.Epoch <= a.Epoch {
		s.Errorf("a login after it: %+v", r)
	}
}

func (s *storeTest) restoreLoser() {
	loser := s.mustLogin("a", s.mid(1), c1, 1)
	winner := s.mustLogin("a", s.mid(2), c2, 1)
	if got := s.restored(loser); !got.Lost || got.Loser.Present() {
		s.Errorf("the loser: %+v, want lost", got)
	}
	s.want("a", winner)
	s.wantMid(s.mid(1))
}

// restoreOverEarlier: a failover has brought an earlier session back.
func (s *storeTest) restoreOverEarlier() {
	earlier := s.mustLogin("a", s.mid(1), c2, 1)
	later := logic.Session{Key: s.key("a"), Mid: s.mid(1), Server: c1, Link: 7, Epoch: earlier.Epoch + 5}
	for _, loser := range []logic.Session{earlier, {}} {
		if got := s.restored(later); got.Lost || got.Loser != loser {
			s.Errorf("restored: %+v, want loser %+v", got, loser)
		}
	}
	if got := s.restored(earlier); !got.Lost {
		s.Errorf("the earlier one: %+v, want lost", got)
	}
	s.want("a", later)
}

func (s *storeTest) restoreAfterGoodbye() {
	a := s.mustLogin("a", s.mid(1), c1, 1)
	s.logout(a)
	if got := s.restored(a); !got.Lost {
		s.Errorf("a link that has said goodbye: %+v, want lost", got)
	}
	s.want("a", logic.Session{})
	s.wantMid(s.mid(1))
}

func (s *storeTest) restoreOtherEpoch() {
	a := s.mustLogin("a", 0, c1, 1)
	for _, epoch := range []uint64{a.Epoch + 9, a.Epoch - 9} {
		a.Epoch = epoch
		if got := s.restored(a); got.Lost {
			s.Errorf("restored: %+v", got)
		}
		s.want("a", a)
	}
	bad := s.Store.Restore(context.Background(), []logic.Session{{Key: a.Key, Server: c1, Link: 1, Epoch: 1 << 60}})[0]
	if bad.Err == nil {
		s.Errorf("an epoch that nobody issued: %+v", bad)
	}
	s.want("a", a)
}

// roster checks the lists of a comet, and that digests are of what is listed.
func (s *storeTest) roster() {
	server := ident.Server("r" + fmt.Sprint(s.mid(0)) + "@1")
	s.wantRoster(server)
	var all []logic.Session
	for i := range 20 {
		all = append(all, s.mustLogin(fmt.Sprint("k", i), int64(i), server, uint64(i+1)))
	}
	s.wantRoster(server, all...)
	all[0] = s.mustLogin("k0", 9, server, 50) // again, on the same comet
	s.wantRoster(server, all...)
	s.mustLogin("k1", 9, c2, 1) // elsewhere
	s.logout(all[1])            // late
	s.logout(all[2])
	s.wantRoster(server, append(all[3:], all[0])...)
	s.logout(all...)
	s.wantRoster(server)
}

func (s *storeTest) wantRoster(server ident.Server, want ...logic.Session) {
	s.Helper()
	var digests roster.Digests
	left := map[logic.Session]bool{}
	for _, w := range want {
		digests[roster.Bucket(w.Key)] ^= roster.Hash(w.Key, w.Mid, w.Link, w.Epoch)
		left[w] = true
	}
	buckets := make([]int, roster.Buckets)
	for b := range buckets {
		buckets[b] = b
	}
	got, err := s.Store.Digests(context.Background(), server)
	lists, err2 := s.Store.Roster(context.Background(), server, buckets)
	if err != nil || err2 != nil || len(lists) != len(buckets) {
		s.Fatal(err, err2, len(lists))
	}
	if *got != digests {
		s.Errorf("digests are not of %+v", want)
	}
	for b, list := range lists {
		for _, one := range list {
			if !left[one] || roster.Bucket(one.Key) != b {
				s.Errorf("bucket %d lists %+v", b, one)
			}
			delete(left, one)
		}
	}
	if len(left) > 0 {
		s.Errorf("not listed: %+v", left)
	}
}
