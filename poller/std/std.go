//go:build linux || darwin || freebsd

// Package std runs links the way Go servers usually do: a goroutine for each
// connection, over package net. It is the engine to compare others with, and
// the one that needs nothing of the platform but sockets.
//
// A loop here is a lock and a goroutine. A connection's goroutine waits for
// bytes, takes the lock of its loop and calls OnData; the loop's goroutine
// takes the lock for everything else: new links, tasks, rests after Resume,
// OnClose and OnTurn. OnWritable comes from a goroutine that lives as long as a
// link's socket is full.
//
// Where the contract asks for more than package net has: a write must not wait,
// and must say how much was taken, so it is one send(2) on the connection's
// descriptor; 4 allocations and 1 µs of 6 cheaper than RawConn.Write
// (go test -run xxx -bench WriteEach/std ./poller/engines). And a link that waits
// for bytes must hold no buffer, so reading is read(2) by way of RawConn.Read.
//
// An idle link takes 1 KB of the heap, half of it the runtime's record of a
// goroutine, and 2 KB of stack, more where callbacks need more; a link of epoll
// takes 27 bytes (-bench Idle).
package std

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/accept"
	"github.com/oortim/oort/poller/internal/adapter"
)

// engine is the poller.Engine of this package. Links are dealt to the loops in
// turn.
type engine = adapter.Engine[*loop]

// Open listens on every address of o and starts the loops.
func Open(o poller.Options) (poller.Engine, error) {
	return adapter.Open(adapter.Library[*loop, *net.TCPListener]{
		Name: "std", Listen: accept.Listen, Loop: newLoop, Accept: acceptAll,
	}, o)
}

// loop is a lock, a goroutine, and those of its links.
type loop struct {
	adapter.Locked[conn]
	max        int            // Options.MaxRest; immutable after Open
	goroutines sync.WaitGroup // of links
}

func newLoop(e *engine, index int) (*loop, error) {
	l := &loop{max: e.Options.MaxRest}
	adapter.PrepareLocked(&l.Locked, e, index, adapter.Host[conn](l))
	return l, nil
}

// Run returns when the links' goroutines have ended, too.
func (l *loop) Run() {
	l.Locked.Run()
	l.goroutines.Wait()
}

func (l *loop) Discard() {}

// acceptAll takes the connects of ln, which is at index i of Options.Listen.
func acceptAll(e *engine, i int, ln *net.TCPListener) {
	for {
		var c *net.TCPConn
		if !e.Persist(func() (err error) { c, err = accept.Connection(ln); return err }) {
			return
		}
		a := arrival{Own: conn{tcp: c}}
		a.Conn.Listener = i
		a.Conn.Local, a.Conn.Remote = accept.Ends(c)
		// None of these fails for a connection that is open.
		a.Own.raw, _ = c.SyscallConn()
		_ = a.Own.raw.Control(func(fd uintptr) { a.FD = int(fd) })
		e.Next().Deal(a)
	}
}

// conn is what this package keeps of a link.
type conn struct {
	tcp *net.TCPConn // owns the descriptor
	raw syscall.RawConn
}

type (
	link    = adapter.Link[conn]
	arrival = adapter.Arrival[conn]
)

func (l *loop) Begin()           {}
func (l *loop) Refuse(a arrival) { _ = a.Own.tcp.Close() }
func (l *loop) Opened(k *link)   { l.goroutines.Go(func() { l.serve(k) }) }

// Paused has nothing to do: the link's goroutine reads once more and then waits
// with what it has.
func (l *loop) Paused(*link)  {}
func (l *loop) Resumed(*link) {}

// Release ends the link's goroutines.
func (l *loop) Release(k *link) { _ = k.Own.tcp.Close() } // says nothing that OnClose was not told

// Arm starts a goroutine that waits.
func (l *loop) Arm(k *link) error {
	l.goroutines.Go(func() { l.awaitWritable(k) })
	return nil
}

// awaitWritable pays when the socket takes bytes again. It asks poll(2) rather
// than trust that it was woken for a reason: RawConn.Write forgets earlier
// readiness when it begins, and its first wake may be stale.
func (l *loop) awaitWritable(k *link) {
	if k.Own.raw.Write(func(fd uintptr) bool { return writable(int(fd)) }) != nil {
		return // closed
	}
	l.Mu.Lock()
	l.Pay(k.ID)
	l.Mu.Unlock()
	l.Ring()
}

// writable says whether a write would take something or fail.
func writable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(fds, 0)
		if err != unix.EINTR {
			return n != 0
		}
	}
}
