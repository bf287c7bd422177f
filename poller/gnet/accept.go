//go:build linux

package gnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	lib "github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// acceptPause is how long accepting pauses when descriptors have run out.
const acceptPause = 200 * time.Millisecond

// arrival is an accepted connection on its way to its loop.
type arrival struct {
	conn   poller.Conn
	opened bool // set on the loop, and read when gnet has told that it was there
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

// accept takes connects of listener i for l until StopAccept. A loop that is
// busy holds up only what this goroutine has already taken; package net lets
// the other loops' goroutines accept in turn.
func (e *engine) accept(l *loop, i int, ln *net.TCPListener) {
	for e.await(l.door) {
		conn := e.take(ln)
		if conn == nil {
			return
		}
		if !l.enroll(conn, i) {
			l.door <- struct{}{}
		}
	}
}

// take waits for a connect, and for the descriptors that it needs: one for
// accept, and one for gnet's duplicate, without which Enroll would close the
// connection. It returns nil after StopAccept.
func (e *engine) take(ln *net.TCPListener) *net.TCPConn {
	conn, err := ln.AcceptTCP()
	for paused := false; err != nil; paused = true {
		if !e.pause(paused) {
			return nil
		}
		conn, err = ln.AcceptTCP()
	}
	for paused := false; !spare(conn); paused = true {
		if !e.pause(paused) {
			_ = conn.Close()
			return nil
		}
	}
	return conn
}

// await takes one from door, and says whether accepting goes on.
func (e *engine) await(door <-chan struct{}) bool {
	select {
	case <-e.deaf:
		return false
	case <-door:
		return true
	}
}

// pause waits a while, counted unless it goes on from another, and says
// whether accepting goes on.
func (e *engine) pause(goesOn bool) bool {
	select {
	case <-e.deaf: // the error is of the listener's close
		return false
	default:
	}
	if !goesOn {
		e.acceptPauses.Add(1)
	}
	select {
	case <-e.deaf:
		return false
	case <-time.After(acceptPause):
		return true
	}
}

// spare says whether conn can be duplicated.
func spare(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return true // Enroll will tell
	}
	err = control(raw, func(fd int) error {
		second, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			_ = unix.Close(second)
		}
		return err
	})
	return err == nil
}

// enroll hands conn to the gnet of l and waits until OnOpen has been called.
// False means that it never was.
func (l *loop) enroll(conn *net.TCPConn, listener int) bool {
	a := &arrival{conn: poller.Conn{
		Listener: listener,
		Local:    addrPort(conn.LocalAddr()),
		Remote:   addrPort(conn.RemoteAddr()),
	}}
	_, err := l.client.EnrollContext(conn, a) // closes conn, whose descriptor it has duplicated
	return err == nil && a.opened
}

// open makes a link of what gnet has enrolled.
func (l *loop) open(c lib.Conn, a *arrival) lib.Action {
	if l.engine.isStopping() {
		return lib.Close
	}
	l.stir()
	a.opened = true
	l.admitted++
	l.accepted.Add(1)
	k := l.links.add(c)
	c.SetContext(k)
	l.calls.OnOpen(k.id, a.conn)
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

func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// setBacklog changes the length of the queue that package net chose; a second
// listen(2) does nothing else.
func setBacklog(ln *net.TCPListener, n int) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	return control(raw, func(fd int) error { return unix.Listen(fd, n) })
}

func control(raw syscall.RawConn, f func(fd int) error) (err error) {
	if e := raw.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}
