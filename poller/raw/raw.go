//go:build linux || darwin || freebsd

// Package raw is oort's own reactor: one goroutine a loop, over epoll on Linux
// and kqueue on macOS and FreeBSD.
//
// # How it is laid out
//
// What a port defines is in one file each: poll_epoll.go and poll_kqueue.go
// wait for events, sock_linux.go and sock_bsd.go move bytes. Everything else
// is shared: loop.go is the turn, link.go the table of links, and there is a
// file a verb (accept.go, read.go, write.go, close.go).
//
// # A turn
//
//	wait ─▶ events ─▶ tasks ─▶ resumed rests ─▶ OnClose ─▶ OnTurn ─▶ wait
//
// Events are level-triggered, unless Options say otherwise: what one turn
// leaves is reported again by the next, so no link can keep the loop by sending
// much. A descriptor is closed only after all events of its turn, and what an
// event names is a slot and a generation, so an event never reaches a later
// tenant of either.
package raw

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/oortim/oort/poller"
)

// engine is the poller.Engine of this package. Its fields are immutable after
// Open but for the atomic ones.
type engine struct {
	opts  poller.Options
	how   Options
	addrs []net.Addr
	loops []*loop
	atEnd func() // after the last loop, before done; nil for nothing

	deaf     atomic.Bool // listeners are to be closed
	stopping atomic.Bool
	running  atomic.Int32  // loops that have not ended
	done     chan struct{} // closed when running falls to 0
}

// Open is Options{}.Open.
func Open(o poller.Options) (poller.Engine, error) { return Options{}.Open(o) }

// Open listens on every address of o and starts the loops.
//
// Each loop has listening sockets of its own and the kernel deals the connects
// between them (on macOS, which does not deal, the loops share one). An
// address that another process listens on is an error that wraps
// syscall.EADDRINUSE, even if that process would share it.
func (how Options) Open(o poller.Options) (poller.Engine, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	if err := how.check(); err != nil {
		return nil, err
	}
	e := &engine{opts: o, how: how, done: make(chan struct{})}
	if err := e.prepare(); err != nil {
		e.abandon()
		return nil, err
	}
	e.running.Store(int32(o.Loops))
	if how.Private {
		if err := e.startPrivate(); err != nil {
			e.abandon()
			return nil, err
		}
		return e, nil
	}
	for _, l := range e.loops {
		go l.run()
	}
	return e, nil
}

// prepare makes the loops, with all that they need, but does not start them.
func (e *engine) prepare() error {
	for i := range e.opts.Loops {
		l, err := newLoop(e, i)
		if err != nil {
			return err
		}
		e.loops = append(e.loops, l)
	}
	if err := e.listen(); err != nil {
		return err
	}
	for _, l := range e.loops {
		if err := l.calls.Open(e.opts, l); err != nil {
			return err
		}
	}
	return nil
}

// abandon releases what a failed Open had opened. No loop runs yet.
func (e *engine) abandon() {
	for _, l := range e.loops {
		l.closeListeners()
		l.poll.close()
	}
}

func (e *engine) Name() string      { return engineName + e.how.String() }
func (e *engine) Addrs() []net.Addr { return e.addrs }

func (e *engine) Loops() []poller.Loop {
	loops := make([]poller.Loop, len(e.loops))
	for i, l := range e.loops {
		loops[i] = l
	}
	return loops
}

func (e *engine) StopAccept() {
	e.deaf.Store(true)
	e.kick()
}

func (e *engine) Stop(ctx context.Context) error {
	e.stopping.Store(true)
	e.kick()
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *engine) Stats() poller.Stats {
	var s poller.Stats
	for _, l := range e.loops {
		s.Accepted += l.accepted.Load()
		s.AcceptPauses += l.acceptPauses.Load()
		s.Panics += l.calls.Panics()
		s.Wakes += l.tasks.Wakes()
	}
	return s
}

func (e *engine) kick() {
	for _, l := range e.loops {
		l.tasks.Kick()
	}
}

func (e *engine) ended() {
	switch {
	case e.running.Add(-1) > 0:
	case e.atEnd == nil:
		close(e.done)
	default:
		go func() { // on a thread that shares the process's descriptors
			e.atEnd()
			close(e.done)
		}()
	}
}
