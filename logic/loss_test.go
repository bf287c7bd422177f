package logic_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/proto/ident"
)

// lossy is a registry that can lose everything.
type lossy struct{ atomic.Pointer[session.Memory] }

func (l *lossy) Renew(ctx context.Context, c logic.Comet, rooms map[string]int32) error {
	return l.Load().Renew(ctx, c, rooms)
}

func (l *lossy) Leave(ctx context.Context, server ident.Server) error {
	return l.Load().Leave(ctx, server)
}

func (l *lossy) Comets(ctx context.Context) (logic.Listing, error) { return l.Load().Comets(ctx) }

func (l *lossy) Rooms(ctx context.Context, servers []ident.Server) ([]map[string]int32, error) {
	return l.Load().Rooms(ctx, servers)
}

// lossyWorld is a world whose registry is emptied by wipe. Its logics have the
// registry and gather when they are opened with on.
func lossyWorld(t *testing.T, gather time.Duration) (w *world, wipe func(), on func(*logic.Config)) {
	t.Helper()
	reg := new(lossy)
	clock := &clock{now: time.Now()}
	wipe = func() { reg.Store(session.NewMemory(session.TTLs{Record: 1000 * time.Hour}, clock.Now)) }
	wipe()
	on = func(c *logic.Config) { c.Registry, c.Gather, c.Clock = reg, gather, clock.Now }
	w = newWorld(t, on)
	w.clock = clock
	return w, wipe, on
}

// again renews the lease of comets that had one.
func (w *world) again(svc *logic.Service, servers ...ident.Server) {
	w.t.Helper()
	for _, server := range servers {
		w.count[server]++
		if _, _, err := svc.Renew(context.Background(), logic.Comet{Server: server, Counter: w.count[server], Leased: true}, nil); err != nil {
			w.t.Fatal(err)
		}
	}
}

// incomplete checks that svc gives no list of comets, and does not say of a
// key on a comet that it does not know that it is absent.
func (w *world) incomplete(when string, svc *logic.Service) {
	w.t.Helper()
	if list, err := svc.Comets(context.Background()); !isUnavailable(err) {
		w.t.Errorf("%s: comets %v, %v, want unavailable", when, list, err)
	}
	w.connect("stranger@1", "s", 7)
	if r := w.push(svc, "s"); !isUnavailable(r.Err) {
		w.t.Errorf("%s: push to a key on a stranger: %+v, want unavailable", when, r)
	}
}

// TestLossSeen: a logic that has watched knows who lives though the registry
// has lost its records, and who does not come back is dead after the lease.
func TestLossSeen(t *testing.T) {
	w, wipe, _ := lossyWorld(t, -1)
	w.renew(w.svc, c1, c2)
	w.connect(c1, "a", 1)
	want := []ident.Server{c1, c2}
	if got := alive(t, w.svc); !slices.Equal(got, want) {
		t.Fatalf("before: %v", got)
	}
	wipe()
	if got := alive(t, w.svc); !slices.Equal(got, want) {
		t.Errorf("with nothing stored: %v", got)
	}
	w.connect(c1, "a", 1)
	if r := w.push(w.svc, "a"); r.Accepted != 1 {
		t.Errorf("a push with nothing stored: %+v", r)
	}
	for range 3 {
		w.clock.add(time.Hour)
		w.again(w.svc, c1)
		if got := alive(t, w.svc); !slices.Equal(got, want) {
			t.Errorf("within the lease: %v", got)
		}
	}
	w.clock.add(time.Hour)
	w.again(w.svc, c1)
	if got := alive(t, w.svc); !slices.Equal(got, want[:1]) {
		t.Errorf("after the lease: %v", got)
	}
}

// TestLossBeforeStart: a logic that starts after a loss tells nobody that what
// it finds is all, until a lease after the last comet that has come back.
func TestLossBeforeStart(t *testing.T) {
	w, wipe, on := lossyWorld(t, time.Hour)
	w.renew(w.svc, c1, c2)
	wipe()
	fresh := w.open(on)
	w.incomplete("empty", fresh)
	w.renew(w.svc, c3) // one that is new comes first
	w.incomplete("a new comet", fresh)
	w.clock.add(30 * time.Minute)
	w.incomplete("before all can have renewed", fresh)
	w.again(w.svc, c1)
	w.clock.add(time.Hour)
	w.again(w.svc, c1)
	w.incomplete("a lease after the loss is not over", fresh)
	w.again(w.svc, c2)
	for range 3 {
		w.incomplete("another has come back", fresh)
		w.clock.add(time.Hour)
		w.again(w.svc, c1, c2, c3)
	}
	if got, want := alive(t, fresh), []ident.Server{c1, c2, c3}; !slices.Equal(got, want) {
		t.Errorf("when it is over: %v, want %v", got, want)
	}
	if r := w.push(fresh, "s"); r.Err != nil || len(r.AbsentKeys) != 1 {
		t.Errorf("then a stranger is absent: %+v", r)
	}
}

// TestFirstStart: a registry that begins is complete after Gather if no comet
// was there before.
func TestFirstStart(t *testing.T) {
	w, _, _ := lossyWorld(t, time.Hour)
	w.incomplete("nobody yet", w.svc)
	w.renew(w.svc, c1)
	w.incomplete("the first", w.svc)
	w.clock.add(time.Hour)
	if got, want := alive(t, w.svc), []ident.Server{c1}; !slices.Equal(got, want) {
		t.Errorf("after Gather: %v, want %v", got, want)
	}
}

// TestLossUnwatched: a logic that did not look for a while, during which comets
// may have come and been lost, does not trust itself.
func TestLossUnwatched(t *testing.T) {
	w, wipe, _ := lossyWorld(t, time.Hour)
	w.renew(w.svc, c1)
	w.clock.add(time.Hour)
	alive(t, w.svc)
	wipe()
	w.clock.add(90 * time.Minute)
	if got, want := alive(t, w.svc), []ident.Server{c1}; !slices.Equal(got, want) {
		t.Errorf("a read and a half later: %v, want %v", got, want)
	}
	w.clock.add(91 * time.Minute)
	w.incomplete("more than a read and a half later", w.svc)
}

// TestLeftElsewhere: a goodbye is heard of by every logic at its next read.
func TestLeftElsewhere(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2)
	other := w.open()
	alive(t, other)
	if err := w.svc.Leave(context.Background(), c1); err != nil {
		t.Fatal(err)
	}
	for _, svc := range []*logic.Service{w.svc, other, w.open()} {
		if got, want := alive(t, svc), []ident.Server{c2}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}
