//go:build linux

package gnet

import (
	"net"
	"sync"

	lib "github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/accept"
)

// arrival is an accepted connection on its way to its loop.
type arrival struct {
	conn   poller.Conn
	opened bool // set on the loop, and read when gnet has told that it was there
}

// acceptAll takes the connects of ln, which is at index i of Options.Listen, on
// a goroutine for each loop.
func acceptAll(e *engine, i int, ln *net.TCPListener) {
	var each sync.WaitGroup
	for _, l := range e.Members {
		each.Go(func() { l.accept(i, ln) })
	}
	each.Wait()
}

// accept takes connects for l. A loop that is busy holds up only what this
// goroutine has already taken; package net lets the other loops' goroutines
// accept in turn.
//
// The door comes after the connect: whoever has passed it gets to the loop, or
// gives its place back. So when nobody may come in, the loop has admitted as
// many as there are places, by which it knows that it must open the door. If a
// goroutine passed first and then waited for a connect, a listener that nobody
// dials would keep a place, and the loop would sleep before a door that is shut.
func (l *loop) accept(i int, ln *net.TCPListener) {
	for {
		c := l.connect(ln)
		if c == nil {
			return
		}
		if !l.awaitDoor() || !l.awaitDescriptor(c) {
			_ = c.Close()
			return
		}
		if !l.enroll(c, i) {
			l.door <- struct{}{}
		}
	}
}

// connect waits for a connect, and for the descriptor that it needs. It returns
// nil after StopAccept.
func (l *loop) connect(ln *net.TCPListener) (c *net.TCPConn) {
	if !l.engine.Persist(func() (err error) { c, err = accept.Connection(ln); return err }) {
		return nil
	}
	return c
}

// awaitDoor takes a place from the door, and says whether accepting goes on.
func (l *loop) awaitDoor() bool {
	select {
	case <-l.engine.Deaf():
		return false
	case <-l.door:
		return true
	}
}

// awaitDescriptor waits until gnet can duplicate c, without which Enroll would
// close it, and says whether accepting goes on.
func (l *loop) awaitDescriptor(c *net.TCPConn) bool {
	return l.engine.Persist(func() error { return accept.Lend(c, duplicate) })
}

// duplicate fails if fd cannot be duplicated now.
func duplicate(fd int) error {
	second, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(second)
	}
	return err
}

// enroll hands c to the gnet of l and waits until OnOpen has been called.
// False means that it never was.
func (l *loop) enroll(c *net.TCPConn, listener int) bool {
	a := &arrival{conn: poller.Conn{Listener: listener}}
	a.conn.Local, a.conn.Remote = accept.Ends(c)
	_, err := l.client.EnrollContext(c, a) // closes c, whose descriptor it has duplicated
	return err == nil && a.opened
}

// open makes a link of what gnet has enrolled.
func (l *loop) open(c lib.Conn, a *arrival) lib.Action {
	if l.engine.Stopping() {
		return lib.Close
	}
	l.stir()
	a.opened = true
	l.admitted++
	c.SetContext(l.Admit(c.Fd(), conn{lib: c}, a.conn))
	return lib.None
}

// openDoor lets as many connects in as came in since it was last opened. It is
// called when gnet has polled, so that a storm of connects leaves the links
// that live their turn.
func (l *loop) openDoor() {
	for ; l.admitted > 0; l.admitted-- {
		l.door <- struct{}{}
	}
}
