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
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/reactor"
)

// engine is the poller.Engine of this package.
type engine struct {
	reactor.Engine[*loop]
	how   Options   // immutable after Open
	steer *steering // safe from anywhere; nil if all loops get connects
}

func (e *engine) Name() string { return engineName + e.how.String() }

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
	e := &engine{how: how}
	e.Options = o
	if err := e.prepare(); err != nil {
		e.abandon()
		return nil, err
	}
	e.Begin()
	if how.Private {
		if err := e.startPrivate(); err != nil {
			e.abandon()
			return nil, err
		}
		return e, nil
	}
	for _, l := range e.Own {
		go l.run()
	}
	return e, nil
}

// prepare makes the loops, with all that they need, but does not start them.
func (e *engine) prepare() error {
	for i := range e.Options.Loops {
		l, err := newLoop(e, i)
		if err != nil {
			return err
		}
		e.Own = append(e.Own, l)
	}
	if err := e.Listen((*loop).listen); err != nil {
		return err
	}
	e.steer = newSteering(e.how, len(e.Own))
	e.steer.begin(e.Own[0])
	for _, l := range e.Own {
		if err := l.Calls.Open(e.Options, l); err != nil {
			return err
		}
	}
	return nil
}

// abandon releases what a failed Open had opened. No loop runs yet.
func (e *engine) abandon() {
	for _, l := range e.Own {
		l.closeListeners()
		l.poll.close()
	}
}
