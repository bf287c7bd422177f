// Package sessiontest is the suite that every store of sessions passes, and
// the real redis-server that it runs against.
package sessiontest

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// Backend is something that stores can be opened on.
type Backend struct {
	// Tombstone is how long tombstones live in it; short, for a test waits.
	Tombstone time.Duration
	// Open returns a store of its own on the same data, as another process
	// has it, or the same store if only one process can have it.
	Open func(t testing.TB) Opened
}

// Opened is a store of both kinds.
type Opened interface {
	logic.Store
	logic.Registry
}

// Comets of the tests.
const (
	c1 = ident.Server("c1@1")
	c2 = ident.Server("c2@1")
)

// Store runs the suite of sessions.
func Store(t *testing.T, b Backend) {
	for _, test := range []struct {
		name string
		run  func(*storeTest)
	}{
		{"connect", (*storeTest).connect},
		{"repeat", (*storeTest).repeat},
		{"replace", (*storeTest).replace},
		{"late disconnect", (*storeTest).lateDisconnect},
		{"disconnect needs all three", (*storeTest).disconnectNeedsAllThree},
		{"tombstone", (*storeTest).tombstone},
		{"tombstone ends", (*storeTest).tombstoneEnds},
		{"seen epoch", (*storeTest).seenEpoch},
		{"mids", (*storeTest).mids},
		{"mid moves", (*storeTest).midMoves},
		{"nobody", (*storeTest).nobody},
		{"order in a batch", (*storeTest).orderInBatch},
		{"large batch", (*storeTest).largeBatch},
		{"names are not patterns", (*storeTest).namesAreNotPatterns},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&storeTest{T: t, Store: b.Open(t), b: b, prefix: newPrefix()})
		})
	}
	t.Run("restore", func(t *testing.T) { restore(t, b) })
	t.Run("survivor", func(t *testing.T) { survivor(t, b) })
	t.Run("history", func(t *testing.T) { history(t, b) })
}

// storeTest is one test with keys of its own.
type storeTest struct {
	*testing.T
	logic.Store
	b      Backend
	prefix ident.Key
}

// newPrefix keeps tests apart that share a backend.
func newPrefix() ident.Key { return ident.Key(rand.Text()[:12] + "/") }

func (s *storeTest) key(name string) ident.Key {
	return s.prefix + ident.Key(name)
}

// login connects one link.
func (s *storeTest) login(key string, mid int64, server ident.Server, link uint64) logic.LoginResult {
	s.Helper()
	return s.loginSeen(key, mid, server, link, 0)
}

func (s *storeTest) loginSeen(key string, mid int64, server ident.Server, link, seen uint64) logic.LoginResult {
	s.Helper()
	results := s.Store.Connect(context.Background(), []logic.Login{{Key: s.key(key), Mid: mid, Server: server, Link: link, Seen: seen}})
	if len(results) != 1 {
		s.Fatalf("%d results for one login", len(results))
	}
	return results[0]
}

// mustLogin connects one link and returns its session.
func (s *storeTest) mustLogin(key string, mid int64, server ident.Server, link uint64) logic.Session {
	s.Helper()
	r := s.login(key, mid, server, link)
	if r.Err != nil || r.Refused || r.Epoch == 0 {
		s.Fatalf("login %s %s/%d: %+v", key, server, link, r)
	}
	return logic.Session{Key: s.key(key), Mid: mid, Server: server, Link: link, Epoch: r.Epoch}
}

func (s *storeTest) logout(sessions ...logic.Session) {
	s.Helper()
	errs := s.Store.Disconnect(context.Background(), sessions)
	if len(errs) != len(sessions) {
		s.Fatalf("%d results for %d sessions", len(errs), len(sessions))
	}
	for _, err := range errs {
		if err != nil {
			s.Fatal(err)
		}
	}
}

// want checks who has a key; a zero session means nobody.
func (s *storeTest) want(key string, want logic.Session) {
	s.Helper()
	got, err := s.ByKeys(context.Background(), []ident.Key{s.key(key)})
	if err != nil || len(got) != 1 {
		s.Fatalf("read %s: %v, %v", key, got, err)
	}
	if got[0].Present() != want.Present() || want.Present() && got[0] != want {
		s.Errorf("%s is %+v, want %+v", key, got[0], want)
	}
}

// wantMid checks the sessions of a mid.
func (s *storeTest) wantMid(mid int64, want ...logic.Session) {
	s.Helper()
	got, err := s.ByMids(context.Background(), []int64{mid})
	if err != nil || len(got) != 1 {
		s.Fatalf("read mid %d: %v, %v", mid, got, err)
	}
	byLink := func(a, b logic.Session) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Link, b.Link))
	}
	slices.SortFunc(got[0], byLink)
	slices.SortFunc(want, byLink)
	if !slices.Equal(got[0], want) {
		s.Errorf("mid %d has %.500s, want %.500s", mid, fmt.Sprintf("%+v", got[0]), fmt.Sprintf("%+v", want))
	}
}

func (s *storeTest) connect() {
	s.want("a", logic.Session{})
	before := uint64(time.Now().Add(-time.Minute).UnixMicro())
	a := s.mustLogin("a", 0, c1, 1)
	if a.Epoch < before {
		s.Errorf("epoch %d is no time in µs", a.Epoch)
	}
	s.want("a", a)
	s.logout(a)
	s.want("a", logic.Session{})
}

func (s *storeTest) repeat() {
	s.mustLogin("a", 0, c2, 9)
	first := s.login("a", 0, c1, 1)
	again := s.login("a", 0, c1, 1)
	if again != first {
		s.Errorf("again: %+v, want %+v", again, first)
	}
	if first.Loser.Server != c2 || first.Loser.Link != 9 {
		s.Errorf("loser %+v", first.Loser)
	}
}

func (s *storeTest) replace() {
	loser := s.mustLogin("a", 1, c1, 1)
	r := s.login("a", 2, c2, 1)
	if r.Loser != loser {
		s.Errorf("loser %+v, want %+v", r.Loser, loser)
	}
	if r.Epoch <= loser.Epoch {
		s.Errorf("epoch %d is not above %d", r.Epoch, loser.Epoch)
	}
	s.want("a", logic.Session{Key: s.key("a"), Mid: 2, Server: c2, Link: 1, Epoch: r.Epoch})
}

func (s *storeTest) lateDisconnect() {
	loser := s.mustLogin("a", s.mid(1), c1, 1)
	winner := s.mustLogin("a", s.mid(1), c2, 1)
	s.logout(loser)
	s.want("a", winner)
	s.wantMid(s.mid(1), winner)
	s.logout(loser, loser)
	s.want("a", winner)
}

func (s *storeTest) disconnectNeedsAllThree() {
	a := s.mustLogin("a", 0, c1, 1)
	for _, other := range []logic.Session{
		{Key: a.Key, Server: c2, Link: 1, Epoch: a.Epoch},
		{Key: a.Key, Server: c1, Link: 2, Epoch: a.Epoch},
		{Key: a.Key, Server: c1, Link: 11, Epoch: a.Epoch},
		{Key: a.Key, Server: c1, Link: 1, Epoch: a.Epoch + 1},
		{Key: a.Key, Server: c1, Link: 1, Epoch: a.Epoch - 1},
		{Key: a.Key, Server: "c1@11", Link: 1, Epoch: a.Epoch},
	} {
		s.logout(other)
		s.want("a", a)
	}
	s.logout(logic.Session{Key: a.Key, Server: c1, Link: 1}) // epoch 0: any
	s.want("a", logic.Session{})
}

func (s *storeTest) tombstone() {
	s.logout(logic.Session{Key: s.key("a"), Mid: s.mid(1), Server: c1, Link: 1})
	if r := s.login("a", s.mid(1), c1, 1); !r.Refused || r.Epoch != 0 || r.Err != nil {
		s.Errorf("late login: %+v, want refused", r)
	}
	s.want("a", logic.Session{})
	s.wantMid(s.mid(1))
	b := s.mustLogin("a", s.mid(1), c1, 2)
	s.logout(b)
	if r := s.login("a", s.mid(1), c1, 2); !r.Refused {
		s.Errorf("login after goodbye: %+v, want refused", r)
	}
	s.mustLogin("b", 0, c1, 1) // another key's link 1 is another link
}

func (s *storeTest) tombstoneEnds() {
	s.logout(logic.Session{Key: s.key("a"), Server: c1, Link: 1})
	ctx, cancel := context.WithTimeout(context.Background(), s.b.Tombstone+10*time.Second)
	defer cancel()
	for s.login("a", 0, c1, 1).Refused {
		if ctx.Err() != nil {
			s.Fatal("the tombstone is there for ever")
		}
		pause(ctx)
	}
}

func (s *storeTest) seenEpoch() {
	ahead := uint64(time.Now().Add(time.Hour).UnixMicro())
	r := s.loginSeen("a", 0, c1, 1, ahead)
	if r.Err != nil || r.Epoch <= ahead {
		s.Errorf("epoch %d, want above %d (%v)", r.Epoch, ahead, r.Err)
	}
	next := s.mustLogin("a", 0, c1, 2)
	if next.Epoch <= r.Epoch {
		s.Errorf("epoch %d after %d", next.Epoch, r.Epoch)
	}
	s.logout(next)
	again := s.mustLogin("a", 0, c1, 3)
	if again.Epoch <= next.Epoch {
		s.Errorf("epoch %d after %d, which has just left", again.Epoch, next.Epoch)
	}
	if r := s.loginSeen("a", 0, c1, 4, 1<<60); r.Err == nil {
		s.Errorf("a seen epoch that nobody issued: %+v, want an error", r)
	}
	s.want("a", again)
}

func (s *storeTest) mids() {
	a := s.mustLogin("a", s.mid(1), c1, 1)
	b := s.mustLogin("b", s.mid(1), c2, 1)
	s.mustLogin("c", s.mid(2), c1, 2)
	s.wantMid(s.mid(1), a, b)
	s.logout(a)
	s.wantMid(s.mid(1), b)
	s.logout(b)
	s.wantMid(s.mid(1))
}

func (s *storeTest) midMoves() {
	old := s.mustLogin("a", s.mid(1), c1, 1)
	a := s.mustLogin("a", s.mid(2), c1, 2)
	s.wantMid(s.mid(1))
	s.wantMid(s.mid(2), a)
	s.logout(old)
	s.wantMid(s.mid(2), a)
}

func (s *storeTest) nobody() {
	s.mustLogin("a", 0, c1, 1)
	s.wantMid(0)
	for _, read := range []error{
		second(s.ByKeys(context.Background(), nil)), second(s.ByMids(context.Background(), nil)),
	} {
		if read != nil {
			s.Error(read)
		}
	}
}

func (s *storeTest) orderInBatch() {
	logins := make([]logic.Login, 10)
	for i := range logins {
		logins[i] = logic.Login{Key: s.key("a"), Server: c1, Link: uint64(i + 1)}
	}
	var last logic.Session
	for i, r := range s.Store.Connect(context.Background(), logins) {
		if r.Err != nil || r.Loser != last {
			s.Errorf("login %d: %+v, want loser %+v", i, r, last)
		}
		last = logic.Session{Key: s.key("a"), Server: c1, Link: uint64(i + 1), Epoch: r.Epoch}
	}
	s.want("a", last)
}

func (s *storeTest) largeBatch() {
	const n = 2000
	logins := make([]logic.Login, n)
	keys := make([]ident.Key, n)
	for i := range logins {
		keys[i] = s.key(fmt.Sprint(i))
		logins[i] = logic.Login{Key: keys[i], Mid: s.mid(1), Server: c1, Link: uint64(i + 1)}
	}
	results := s.Store.Connect(context.Background(), logins)
	sessions, err := s.ByKeys(context.Background(), keys)
	if err != nil {
		s.Fatal(err)
	}
	for i, got := range sessions {
		if got.Link != uint64(i+1) || got.Epoch != results[i].Epoch {
			s.Fatalf("%d: %+v, want link %d, epoch %d", i, got, i+1, results[i].Epoch)
		}
	}
	s.wantMid(s.mid(1), sessions...)
	s.logout(sessions...)
	s.wantMid(s.mid(1))
}

// namesAreNotPatterns checks that no name reaches another's data.
func (s *storeTest) namesAreNotPatterns() {
	names := []string{"*", "a", "a:gone:c1@1/1", "%d+", `"`, `\`, "a*", "[a]", "k:a"}
	sessions := make([]logic.Session, len(names))
	for i, name := range names {
		sessions[i] = s.mustLogin(name, s.mid(1), c1, uint64(i+1))
	}
	for i, name := range names {
		s.want(name, sessions[i])
		s.logout(sessions[i])
		s.want(name, logic.Session{})
	}
	s.wantMid(s.mid(1))
}

// mid returns a number of this test's own.
func (s *storeTest) mid(n int64) int64 {
	var sum int64
	for _, c := range s.prefix {
		sum = sum*31 + int64(c)
	}
	return (sum&(1<<40-1)+1)*10 + n
}

func second[T any](_ T, err error) error { return err }
