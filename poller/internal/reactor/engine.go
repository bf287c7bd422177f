//go:build linux || darwin || freebsd

// Package reactor is what our own reactors have in common, whatever it is that
// waits for events in them: an Engine of loops that accept for themselves, and
// of a Loop all but its links.
package reactor

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/oortim/oort/poller"
)

// Member is a loop as its engine sees it. Loop has what it adds to poller.Loop.
type Member interface {
	poller.Loop
	kick()
	count(s *poller.Stats)
}

// Engine is a poller.Engine but for its name, of loops that are M. Who embeds
// it fills in Options and Own, and runs the loops.
type Engine[M Member] struct {
	// immutable after Begin, but AtEnd until a loop ends
	Options poller.Options
	Own     []M // in the order of their index
	// AtEnd is called when the last loop has ended, before Stop returns. Nil
	// for nothing.
	AtEnd func()
	addrs []net.Addr
	done  chan struct{} // closed when running falls to 0

	// safe from anywhere
	deaf     atomic.Bool // listeners are to be closed
	stopping atomic.Bool
	running  atomic.Int32 // loops that have not ended
}

// Begin must come before the loops run, and Ended when each has ended.
func (e *Engine[M]) Begin() {
	e.done = make(chan struct{})
	e.running.Store(int32(len(e.Own)))
}

func (e *Engine[M]) Ended() {
	switch {
	case e.running.Add(-1) > 0:
	case e.AtEnd == nil:
		close(e.done)
	default:
		go func() { // on a thread that shares the process's descriptors
			e.AtEnd()
			close(e.done)
		}()
	}
}

// Deaf says whether listeners are to be closed; Stopping, whether loops are to
// end. Each loop asks once a turn.
func (e *Engine[M]) Deaf() bool     { return e.deaf.Load() }
func (e *Engine[M]) Stopping() bool { return e.stopping.Load() }

func (e *Engine[M]) Addrs() []net.Addr { return e.addrs }

func (e *Engine[M]) Loops() []poller.Loop {
	loops := make([]poller.Loop, len(e.Own))
	for i, l := range e.Own {
		loops[i] = l
	}
	return loops
}

func (e *Engine[M]) StopAccept() {
	e.deaf.Store(true)
	e.kick()
}

func (e *Engine[M]) Stop(ctx context.Context) error {
	e.stopping.Store(true)
	e.kick()
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine[M]) Stats() poller.Stats {
	var s poller.Stats
	for _, l := range e.Own {
		l.count(&s)
	}
	return s
}

func (e *Engine[M]) kick() {
	for _, l := range e.Own {
		l.kick()
	}
}
