//go:build linux

// Package netpoll is an engine over github.com/cloudwego/netpoll v0.7.2. The
// library waits for the links in epoll, reads them into buffers of its own and
// starts goroutines of its pool for those that have something; and it tells of
// the peer's end. All else is the adapter's, which is therefore a comparison of
// waiting and reading, not of accepting and writing. An echo of 26 bytes takes
// as long through the adapter as through the bare library, 0.1 ms on two busy
// cores, most of it until the library's poller and its goroutine run
// (go test -run xxx -bench Echo ./poller/netpoll ./poller/engines).
//
// A loop is a lock and a goroutine, as in package std. The library's goroutines
// take the lock for OnData, a watch of full sockets takes it for OnWritable, and
// the loop's goroutine for everything else.
//
// What was added, and why:
//
//   - Accept. The library's own answer to EMFILE is a goroutine that tries until
//     it succeeds, also when the listener is closed, and afterwards it can no
//     longer take the listener out of its poll. So we accept, and enrol the
//     descriptors (internal/accept; enrol).
//   - Writing. The library's Flush blocks when the socket is full, and says
//     nothing of short writes. So we write to the descriptor, and an epoll of
//     ours tells when it takes bytes again (internal/writable).
//   - Rests. The library calls again at once, for ever, while bytes lie unused
//     in its buffer. So everything delivered is taken, and what the handler
//     leaves is copied.
//   - Holding peers back. The library reads on, whatever waits in its buffer.
//     So a link that is paused, or waits for its loop, or has sent more than
//     OnData may be given, is out of the library's poll meanwhile (valve).
//   - Ends. The library closes the descriptor as soon as the peer has ended,
//     while the adapter may write to it or hold the end back behind a Pause. So
//     the descriptor is taken from it then (onEnd). It does not tell a reset
//     from a FIN, so the kernel is asked. And where the race detector is on, it
//     now and then ends a link whose peer lives (runEnded).
//
// What remains: each link has a read buffer of 8 KB in the library, also when
// it is idle, and after the peer has sent much at once one of up to 8 MB. The
// library's pollers, one for each 20 CPUs, serve all engines of a process and
// never end: a goroutine and two descriptors each. What the library would log
// is dropped, for every user of it in the process.
package netpoll

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/accept"
)

// engine is the poller.Engine of this package.
type engine struct {
	// immutable after Open
	opts      poller.Options
	listeners []*accept.Listener
	loops     []*loop

	// safe from anywhere
	next         atomic.Uint32 // which loop gets the next link
	acceptPauses atomic.Uint64
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
	if err := start(); err != nil {
		return nil, err
	}
	e := &engine{opts: o, stopping: make(chan struct{}), done: make(chan struct{})}
	if err := e.open(); err != nil {
		e.abandon()
		return nil, err
	}
	e.start()
	return e, nil
}

// open opens all that needs descriptors. If it fails, abandon releases what it
// opened.
func (e *engine) open() error {
	for _, addr := range e.opts.Listen {
		ln, err := accept.Listen(addr, e.opts.Backlog)
		if err != nil {
			return err
		}
		e.listeners = append(e.listeners, ln)
	}
	for i := range e.opts.Loops {
		l, err := newLoop(e, i)
		if err != nil {
			return err
		}
		e.loops = append(e.loops, l)
		if err := l.calls.Open(e.opts, l); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) abandon() {
	for _, ln := range e.listeners {
		ln.Close()
	}
	for _, l := range e.loops {
		l.full.Close()
	}
}

func (e *engine) start() {
	for _, l := range e.loops {
		e.running.Go(l.run)
	}
	for i, ln := range e.listeners {
		e.acceptors.Go(func() {
			ln.Serve(
				func(k accept.Link) { e.deal(arrival{k, i}) },
				func() { e.acceptPauses.Add(1) })
		})
	}
	go func() {
		e.running.Wait()
		close(e.done)
	}()
}

func (e *engine) Name() string { return "netpoll" }

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
		for _, ln := range e.listeners {
			ln.Close()
		}
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
