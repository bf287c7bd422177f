package comet

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/pushpb"
)

// Whatever is posted to loops with hardly any queue arrives all the same:
// results of logic, evictions, pushes, answers to messages.
func TestQueueFull(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, func(c *Config) {
			c.Engine = func(o poller.Options) (poller.Engine, error) {
				o.Queue = 1
				return engines.Open(engine, o)
			}
		})
		var peers []*peer
		for i := range 40 {
			p := r.dial(web)
			p.login(1, fmt.Sprint("k", i/2), "live://1")
			p.send(frame.OpMessage, 2, "m")
			peers = append(peers, p)
		}
		until(t, "one of each pair is left", func() bool { return r.live() == 20 && r.closedFor(ReasonReplaced) == 20 })
		for i := range 50 {
			if o := r.pushRoom("live://1", 1000, fmt.Sprint(i)); o.Links != 20 {
				t.Fatalf("outcome %+v", o)
			}
		}
		for _, p := range peers {
			for next := 0; next < 50; {
				f, err := p.next()
				if err != nil || f.Op == frame.OpDisconnect {
					break // the one that was replaced
				}
				if f.Op == 1000 {
					if string(f.Body) != fmt.Sprint(next) {
						t.Fatalf("got %s, want %d", f.Body, next)
					}
					next++
				}
			}
		}
		until(t, "all is delivered", func() bool { return r.Ledger()["delivered"] == 20*50 })
	})
}

// stuck is a handler that lets tasks wait.
type stuck struct {
	poller.Handler
	until chan struct{}
}

func (h stuck) OnTask(t poller.Task) {
	if t.Kind == taskPushes {
		<-h.until
	}
	h.Handler.OnTask(t)
}

// Apply waits while a loop is behind, and ends when the comet stops.
func TestStopWhileApplyWaits(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		release := make(chan struct{})
		r := open(t, engine, func(c *Config) {
			c.Loops, c.Limits.Queued = 1, 1<<20
			c.Engine = func(o poller.Options) (poller.Engine, error) {
				inner := o.NewHandler
				o.NewHandler = func(l poller.Loop) poller.Handler { return stuck{inner(l), release} }
				return engines.Open(engine, o)
			}
		})
		apply := func(partition int32, offset int64) error {
			big := &pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Op: 1000, Body: make([]byte, 800<<10)}
			_, err := r.Apply(t.Context(), Partition{Number: partition}, []Record{{Offset: offset, Push: big}})
			return err
		}
		if err := apply(0, 1); err != nil {
			t.Fatal(err)
		}
		waits := make(chan error, 2)
		go func() { waits <- apply(0, 2) }()
		go func() { waits <- apply(1, 1) }()
		until(t, "the marks are raised", func() bool { return r.applied.Load() == 3 })
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Apply(gone, Partition{Number: 2}, []Record{{}}); !errors.Is(err, context.Canceled) {
			t.Errorf("a job that has gone got %v", err)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- r.Stop(context.Background()) }()
		for range 2 {
			if err := <-waits; !errors.Is(err, ErrStopping) {
				t.Errorf("got %v, want ErrStopping", err)
			}
		}
		close(release)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}
