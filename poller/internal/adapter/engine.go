//go:build linux || darwin || freebsd

package adapter

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
)

// acceptPause is how long accepting rests when descriptors have run out. Nobody
// tells of relief.
const acceptPause = 200 * time.Millisecond

// Member is a loop as its engine sees it. Loop has all of it but Run and
// Discard.
type Member interface {
	poller.Loop
	// Run runs the loop until the engine stops, and then releases what it has.
	Run()
	// Discard releases what a loop has that will not run.
	Discard()

	bind(o poller.Options, as poller.Loop) error
	kick()
	count(s *poller.Stats)
}

// Listener is what an engine needs of a listening socket.
type Listener interface {
	Addr() net.Addr
	Close() error // ends accepting
}

// Library says how the parts of an engine are made.
type Library[M Member, L Listener] struct {
	Name   string
	Listen func(addr string, backlog int) (L, error)
	// Loop makes a loop, and leaves nothing open if it fails.
	Loop func(e *Engine[M], index int) (M, error)
	// Accept takes the connects of the listener at index i of Options.Listen. It
	// runs on a goroutine of its own and returns after StopAccept.
	Accept func(e *Engine[M], i int, ln L)
}

// Engine is a poller.Engine whose loops are M.
type Engine[M Member] struct {
	// immutable after Open
	Options poller.Options
	Members []M

	name      string
	listeners []Listener

	// safe from anywhere
	next         atomic.Uint32 // which loop gets the next link
	acceptPauses atomic.Uint64
	deaf         chan struct{}  // closed by StopAccept
	stopping     chan struct{}  // closed by Stop
	done         chan struct{}  // closed when all has ended
	acceptors    sync.WaitGroup // goroutines that accept
	running      sync.WaitGroup // loops
	stopAccept   sync.Once
	stop         sync.Once
}

// Open listens on every address of o, makes the loops and starts them.
func Open[M Member, L Listener](lib Library[M, L], o poller.Options) (poller.Engine, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine[M]{
		Options:  o,
		name:     lib.Name,
		deaf:     make(chan struct{}),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	listeners, err := open(e, lib)
	if err != nil {
		e.abandon()
		return nil, err
	}
	for _, l := range e.Members {
		e.running.Go(l.Run)
	}
	for i, ln := range listeners {
		e.acceptors.Go(func() { lib.Accept(e, i, ln) })
	}
	go func() {
		e.running.Wait()
		close(e.done)
	}()
	return e, nil
}

// open takes what the engine needs; nothing runs yet.
func open[M Member, L Listener](e *Engine[M], lib Library[M, L]) ([]L, error) {
	var listeners []L
	for _, addr := range e.Options.Listen {
		ln, err := lib.Listen(addr, e.Options.Backlog)
		if err != nil {
			return nil, fmt.Errorf("poller: listen on %q: %w", addr, err)
		}
		listeners = append(listeners, ln)
		e.listeners = append(e.listeners, ln)
	}
	for i := range e.Options.Loops {
		l, err := lib.Loop(e, i)
		if err != nil {
			return nil, err
		}
		e.Members = append(e.Members, l)
	}
	for _, l := range e.Members {
		if err := l.bind(e.Options, l); err != nil {
			return nil, err
		}
	}
	return listeners, nil
}

// abandon releases what a failed open had taken.
func (e *Engine[M]) abandon() {
	e.StopAccept()
	for _, l := range e.Members {
		l.Discard()
	}
}

// Next is the loop that gets the next link, each in turn.
func (e *Engine[M]) Next() M {
	return e.Members[(e.next.Add(1)-1)%uint32(len(e.Members))]
}

// Persist calls try until it succeeds. While that fails, which is for want of
// descriptors or for something we never heard of, it rests between the tries,
// which counts as one pause. False means that StopAccept was called.
func (e *Engine[M]) Persist(try func() error) bool {
	for paused := false; try() != nil; paused = true {
		if e.isDeaf() { // the error is of the listener's close
			return false
		}
		if !paused {
			e.acceptPauses.Add(1)
		}
		select {
		case <-e.deaf:
			return false
		case <-time.After(acceptPause):
		}
	}
	return true
}

func (e *Engine[M]) isDeaf() bool {
	select {
	case <-e.deaf:
		return true
	default:
		return false
	}
}

// Deaf is closed by StopAccept.
func (e *Engine[M]) Deaf() <-chan struct{} { return e.deaf }

// AwaitAcceptors returns when nobody accepts any more, after StopAccept.
func (e *Engine[M]) AwaitAcceptors() { e.acceptors.Wait() }

// Stopping says whether Stop was called.
func (e *Engine[M]) Stopping() bool {
	select {
	case <-e.stopping:
		return true
	default:
		return false
	}
}

func (e *Engine[M]) Name() string { return e.name }

func (e *Engine[M]) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(e.listeners))
	for i, ln := range e.listeners {
		addrs[i] = ln.Addr()
	}
	return addrs
}

func (e *Engine[M]) Loops() []poller.Loop {
	loops := make([]poller.Loop, len(e.Members))
	for i, l := range e.Members {
		loops[i] = l
	}
	return loops
}

func (e *Engine[M]) StopAccept() {
	e.stopAccept.Do(func() {
		close(e.deaf)
		for _, ln := range e.listeners {
			_ = ln.Close() // only ever fails because it is closed
		}
	})
}

func (e *Engine[M]) Stop(ctx context.Context) error {
	e.StopAccept()
	e.stop.Do(func() {
		close(e.stopping)
		for _, l := range e.Members {
			l.kick()
		}
	})
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine[M]) Stats() poller.Stats {
	s := poller.Stats{AcceptPauses: e.acceptPauses.Load()}
	for _, l := range e.Members {
		l.count(&s)
	}
	return s
}
