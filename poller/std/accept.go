//go:build unix

package std

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// acceptPause is how long accepting pauses when descriptors have run out.
const acceptPause = 200 * time.Millisecond

// arrival is an accepted connection on its way to its loop.
type arrival struct {
	conn     *net.TCPConn
	listener int
}

// accept takes connects until StopAccept. (Package net itself goes on after
// ECONNABORTED.)
func (e *engine) accept(i int, ln *net.TCPListener) {
	for paused := false; ; {
		conn, err := ln.AcceptTCP()
		if err == nil {
			paused = false
			e.deal(arrival{conn, i})
			continue
		}
		if !paused {
			select {
			case <-e.deaf: // the error is of the listener's close
				return
			default:
				paused = true
				e.acceptPauses.Add(1)
			}
		}
		select {
		case <-e.deaf:
			return
		case <-time.After(acceptPause):
		}
	}
}

// deal gives a to the next loop. It waits while that has a full turn of
// arrivals to open.
func (e *engine) deal(a arrival) {
	l := e.loops[(e.next.Add(1)-1)%uint32(len(e.loops))]
	select {
	case l.arrivals <- a:
		l.ring()
	case <-e.stopping:
		_ = a.conn.Close()
	}
}

// openArrivals opens the links that have come, as many as a turn may.
func (l *loop) openArrivals() {
	for range l.engine.opts.AcceptBatch {
		select {
		case a := <-l.arrivals:
			l.open(a)
		default:
			return
		}
	}
}

func (l *loop) open(a arrival) {
	raw, err := a.conn.SyscallConn()
	if err != nil { // it is closed, which nobody could have done
		_ = a.conn.Close()
		return
	}
	k := l.links.add(a.conn, raw)
	l.accepted.Add(1)
	l.calls.OnOpen(k.id, poller.Conn{
		Listener: a.listener,
		Local:    addrPort(a.conn.LocalAddr()),
		Remote:   addrPort(a.conn.RemoteAddr()),
	})
	l.goroutines.Go(func() { l.serve(k) })
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
