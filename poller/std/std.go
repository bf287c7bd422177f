//go:build unix

// Package std runs links the way Go servers usually do: a goroutine for each
// connection, over package net. It is the engine to compare others with, and
// the one that needs nothing of the platform.
//
// A loop here is a lock and a goroutine. A connection's goroutine waits for
// bytes, takes the lock of its loop and calls OnData; the loop's goroutine
// takes the lock for everything else: new links, tasks, rests after Resume,
// OnClose and OnTurn. The connection's goroutine rings its bell after each
// callback, so that a turn follows. OnWritable comes from a goroutine that
// lives as long as a link's socket is full.
package std

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/oortim/oort/poller"
)

// engine is the poller.Engine of this package.
type engine struct {
	// immutable after Open
	opts      poller.Options
	listeners []*net.TCPListener
	loops     []*loop

	// safe from anywhere
	next         atomic.Uint32 // which loop gets the next link
	acceptPauses atomic.Uint64
	deaf         chan struct{} // closed by StopAccept
	stopping     chan struct{} // closed by Stop
	done         chan struct{} // closed when every goroutine has ended
	acceptors    sync.WaitGroup
	running      sync.WaitGroup // loops
	stopAccept   sync.Once
	stop         sync.Once
}

// Open listens on every address of o and starts the loops. Links are dealt to
// the loops in turn.
func Open(o poller.Options) (poller.Engine, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	e := &engine{
		opts:     o,
		deaf:     make(chan struct{}),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	if err := e.listen(); err != nil {
		e.closeListeners()
		return nil, err
	}
	for i := range o.Loops {
		l := newLoop(e, i)
		if err := l.calls.Open(o, l); err != nil {
			e.closeListeners()
			return nil, err
		}
		e.loops = append(e.loops, l)
	}
	e.start()
	return e, nil
}

func (e *engine) start() {
	for _, l := range e.loops {
		e.running.Go(l.run)
	}
	for i, ln := range e.listeners {
		e.acceptors.Go(func() { e.accept(i, ln) })
	}
	go func() {
		e.running.Wait()
		close(e.done)
	}()
}

func (e *engine) listen() error {
	lc := net.ListenConfig{KeepAlive: -1} // heartbeats are the server's matter
	lc.SetMultipathTCP(false)
	for _, addr := range e.opts.Listen {
		ln, err := lc.Listen(context.Background(), "tcp", addr)
		if err != nil {
			return fmt.Errorf("poller: listen on %q: %w", addr, err)
		}
		e.listeners = append(e.listeners, ln.(*net.TCPListener))
		if err := setBacklog(ln.(*net.TCPListener), e.opts.Backlog); err != nil {
			return fmt.Errorf("poller: listen on %q: %w", addr, err)
		}
	}
	return nil
}

func (e *engine) closeListeners() {
	for _, ln := range e.listeners {
		_ = ln.Close() // only ever fails because it is closed
	}
}

func (e *engine) Name() string { return "std" }

func (e *engine) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(e.listeners))
	for i, ln := range e.listeners {
		addrs[i] = ln.Addr()
	}
	return addrs
}

func (e *engine) Loops() []poller.Loop {
	loops := make([]poller.Loop, len(e.loops))
	for i, l := range e.loops {
		loops[i] = l
	}
	return loops
}

func (e *engine) StopAccept() {
	e.stopAccept.Do(func() {
		close(e.deaf)
		e.closeListeners()
	})
}

func (e *engine) Stop(ctx context.Context) error {
	e.StopAccept()
	e.stop.Do(func() {
		close(e.stopping)
		for _, l := range e.loops {
			l.tasks.Kick()
		}
	})
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *engine) Stats() poller.Stats {
	s := poller.Stats{AcceptPauses: e.acceptPauses.Load()}
	for _, l := range e.loops {
		s.Accepted += l.accepted.Load()
		s.Panics += l.calls.Panics()
		s.Wakes += l.tasks.Wakes()
	}
	return s
}
