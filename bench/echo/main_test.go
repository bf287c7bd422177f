package echo

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/floor"
	"github.com/oortim/oort/poller/engines"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// netpoll's own waiting lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cloudwego/netpoll.(*defaultPoll).Wait"))
}

// rig is a server and a hand on its loops.
type rig struct {
	*Server
	taps floor.Taps
}

// most is the largest that look finds on a loop.
func (r *rig) most(t *testing.T, look func(*loop) int) int {
	t.Helper()
	found := make([]int, len(r.loops))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := r.taps.Each(ctx, func(loop int) error {
		found[loop] = look(r.loops[loop])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Max(found)
}

// bytesHeld is what the link that holds most holds.
func bytesHeld(l *loop) (most int) {
	for _, h := range l.held {
		most = max(most, len(h.out)-h.sent+len(h.piece))
	}
	return most
}

// open serves until the test ends, and then checks that no link is left.
func open(t *testing.T, cfg Config) *rig {
	t.Helper()
	s := new(rig)
	cfg.Listen, cfg.Wrap = []string{"127.0.0.1:0"}, s.taps.Wrap
	var err error
	if s.Server, err = Open(cfg); err != nil {
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
func each(t *testing.T, f func(t *testing.T, s *rig)) {
	for _, name := range engines.Names() {
		t.Run(name, func(t *testing.T) { f(t, open(t, Config{Engine: name, Loops: 2})) })
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
