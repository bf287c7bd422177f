package echo

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/poller/engines"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// Importing netpoll and gnet starts goroutines that live as long as the
// process.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// open serves on an engine until the test ends, and then checks that no link is
// left.
func open(t *testing.T, engine string) *Server {
	t.Helper()
	s, err := Open(Config{Listen: []string{"127.0.0.1:0"}, Engine: engine, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
		if n := s.Stats(); n.Links != 0 {
			t.Errorf("%d links are left", n.Links)
		}
		for _, l := range s.loops {
			if len(l.held) != 0 {
				t.Errorf("%d links still hold bytes", len(l.held))
			}
		}
		if p := s.Poller().Stats().Panics; p != 0 {
			t.Errorf("%d panics", p)
		}
	})
	return s
}

// each runs f on every engine of this platform.
func each(t *testing.T, f func(t *testing.T, s *Server)) {
	for _, name := range engines.Names() {
		t.Run(name, func(t *testing.T) { f(t, open(t, name)) })
	}
}

// await waits until ok holds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
