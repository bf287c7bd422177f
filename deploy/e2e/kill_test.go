package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// part is a process of a cluster that can be killed and started again.
type part interface {
	Kill()
	Restart(testing.TB)
}

// A part is killed while pushes go on, and started again: what was acknowledged
// reaches every link, in order, and nothing reaches one twice.
func TestKill(t *testing.T) {
	for _, tc := range []struct {
		name string
		part func(*rig.Gateway) part
		// tries are how many pushes are tried while it is away: with Kafka away
		// each takes as long as logic waits for an answer.
		tries int64
	}{
		{"job", func(g *rig.Gateway) part { return g.Job }, 20},
		{"logic", func(g *rig.Gateway) part { return g.Logic }, 20},
		{"kafka", func(g *rig.Gateway) part { return g.Kafka }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g := rig.StartCluster(t, bin, testedEngines()[0], 2)
			links := dialLinks(t, g, 40, 2)
			p := startPusher(t, g.API)
			for range 3 {
				p.waitStored(t, 50)
				victim := tc.part(g)
				victim.Kill()
				p.waitTries(t, tc.tries)
				victim.Restart(t)
			}
			p.waitStored(t, 50)
			stored, unknown := p.stop()
			for _, l := range links {
				waitSubsequence(t, l, stored, unknown)
			}
			noneUnexpected(t, links, "room")
		})
	}
}

// pusher pushes to both rooms alike, one message after the other, and goes on
// whatever happens.
type pusher struct {
	api    *push.Client
	cancel context.CancelFunc
	ended  chan struct{}

	tries  counter
	stored counter

	// owned by the pusher's goroutine until ended is closed
	ok      map[string][]int
	unknown map[string][]int
}

func startPusher(t *testing.T, api string) *pusher {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pusher{api: &push.Client{API: api}, cancel: cancel, ended: make(chan struct{}),
		ok: map[string][]int{}, unknown: map[string][]int{}}
	go p.run(ctx)
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *pusher) run(ctx context.Context) {
	defer close(p.ended)
	for n := 0; ctx.Err() == nil; n++ {
		room := roomName(n % 2)
		err := store(p.api, push.Push{Room: room, Op: op, Body: body("room", n)})
		p.tries.add()
		switch {
		case err == nil:
			p.ok[room] = append(p.ok[room], n)
			p.stored.add()
		case errors.Is(err, push.ErrUnknown):
			p.unknown[room] = append(p.unknown[room], n)
		default: // surely not stored
			time.Sleep(5 * time.Millisecond) // logic is away: no busy loop
		}
	}
}

func (p *pusher) stop() (stored, unknown map[string][]int) {
	p.cancel()
	<-p.ended
	return p.ok, p.unknown
}

func (p *pusher) waitStored(t *testing.T, more int64) {
	t.Helper()
	p.stored.wait(t, "pushes stored", more)
}
func (p *pusher) waitTries(t *testing.T, more int64) {
	t.Helper()
	p.tries.wait(t, "pushes tried", more)
}

// waitSubsequence waits until l has everything that was stored in its room and
// checks that it came in order and once. What is unknown may come or not.
func waitSubsequence(t *testing.T, l *link, stored, unknown map[string][]int) {
	t.Helper()
	rig.WaitFor(t, l.key+" has all that was stored", func() error {
		got := l.received("room")
		for _, n := range stored[l.room] {
			if !slices.Contains(got, n) {
				return fmt.Errorf("message %d of %s is missing; link: %v", n, l.room, l.Err())
			}
		}
		return nil
	})
	got := l.received("room")
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("%s: out of order or twice: %v", l.key, got)
	}
	for _, n := range got {
		if !slices.Contains(stored[l.room], n) && !slices.Contains(unknown[l.room], n) {
			t.Errorf("%s received %d, which surely was not stored", l.key, n)
		}
	}
}
