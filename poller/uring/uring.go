//go:build linux

// Package uring is a reactor over io_uring: one thread and one ring a loop. It
// needs Linux 6.1.
//
// # How it is laid out
//
// package ring has the system calls. Here loop.go is the turn, link.go what is
// kept of a link, and there is a file a verb (accept.go, read.go, write.go,
// close.go), as in package raw.
//
//	submit, wait ─▶ completions ─▶ tasks ─▶ resumed rests ─▶ OnClose ─▶ OnTurn ─▶ submit, wait
//
// One system call begins a turn: it submits what the last one gathered, and
// waits.
//
// # Reading
//
// A link has one receive under way that goes on (multishot), and holds no buffer
// while nothing comes: the kernel takes one of the loop's when it needs it. When
// they are all taken receives end, and begin again. Pause ends the receive only
// if bytes come meanwhile; what the kernel had at hand by then is kept with the
// rest, 32 buffers a link or little more.
//
// # Writing
//
// WriteEach submits its sends together, and a send that took all makes no
// completion, so nothing comes back from a room that keeps up. Single writes are
// send(2): a ring is no gain for one.
//
// # Sleeping
//
// A loop sleeps in the kernel, on its thread. What comes from the network wakes
// that thread alone, which is no dearer than package raw's way over the
// runtime's poller. A task posted to a loop that sleeps is: about 13 µs of
// processor time with the answer, instead of 1.4, as a thread must be woken and
// not a goroutine (go test -run xxx -bench Post ./poller/uring ./poller/raw).
//
// # Memory
//
// What a request points to is on the heap or in mappings, and stays until the
// kernel has done with it: the buffers of a loop live as long as its ring, and a
// block is read within WriteEach only. Nothing on a stack is ever submitted.
//
// A receive under way costs kernel memory: 864 bytes a link on Linux 6.18 (256
// of the request, 512 of its message, 96 of its poll), where epoll takes about
// 200: beside the 4 KB of its socket that is the price of this engine where
// nearly all links are idle.
//
// # What was tried and left
//
// Multishot accept tells no peer's address and knows no AcceptBatch: listeners
// are polled, and accept4(2) does the rest. Registered files spare the counting
// of references: on 4,000 sockets no difference was seen beside the send itself,
// and a table of them is bound by RLIMIT_NOFILE as descriptors are. Sleeping in
// the runtime's poller, as package raw does, would take two threads' wakes
// instead of one, as the ring belongs to a thread. IORING_OP_READ_MULTISHOT, of
// Linux 6.7, would take 256 bytes less a link than a receive and no more time,
// but has fewer users, and short of 6.18 could not be tried.
//
// # Limits
//
// Since Linux 6.14 rings count against RLIMIT_MEMLOCK unless the process may
// lock memory: about 80 KB a loop.
package uring

import (
	"context"
	"errors"
	"fmt"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/reactor"
	"github.com/oortim/oort/poller/internal/ring"
)

// ErrUnsupported is wrapped by the errors of Open and Missing where the kernel,
// or what confines this process, does not give us io_uring as we need it.
var ErrUnsupported = ring.ErrUnsupported

// Missing says in one line why this machine cannot run the engine; nil if it
// can.
func Missing() error { return ring.Missing() }

// engine is the poller.Engine of this package.
type engine struct {
	reactor.Engine[*loop]
}

func (e *engine) Name() string { return "uring" }

// Open listens on every address of o and starts the loops.
//
// Each loop has listening sockets of its own and the kernel deals the connects
// between them. An address that another process listens on is an error that
// wraps syscall.EADDRINUSE, even if that process would share it.
func Open(o poller.Options) (poller.Engine, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	if err := Missing(); err != nil {
		return nil, fmt.Errorf("poller: %w", err)
	}
	e := &engine{}
	e.Options = o
	if err := e.open(); err != nil {
		for _, l := range e.Own {
			l.free()
		}
		return nil, err
	}
	if err := e.start(); err != nil {
		return nil, fmt.Errorf("poller: %w", err)
	}
	return e, nil
}

// open acquires what the loops need.
func (e *engine) open() error {
	for i := range e.Options.Loops {
		l := newLoop(e, i)
		e.Own = append(e.Own, l)
		if err := l.open(); err != nil {
			return fmt.Errorf("poller: %w", err)
		}
	}
	if err := e.Listen((*loop).listen); err != nil {
		return err
	}
	for _, l := range e.Own {
		if err := l.Calls.Open(e.Options, l); err != nil {
			return err
		}
	}
	return nil
}

// start runs the loops and waits until each has its thread.
func (e *engine) start() error {
	started := make(chan error, len(e.Own))
	e.Begin()
	for _, l := range e.Own {
		go l.run(started)
	}
	var err error
	for range e.Own {
		err = errors.Join(err, <-started)
	}
	if err != nil {
		_ = e.Stop(context.Background())
	}
	return err
}
