//go:build linux || darwin || freebsd

package raw

import (
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/accept"
)

// accept takes connects of listener i until there is none, the turn's budget
// is used up, or descriptors run out. What is left makes an event of the next
// turn.
func (l *loop) accept(i int) {
	for l.listeners[i].armed && l.MayAccept() {
		ln := l.listeners[i]
		fd, peer, err := l.caller.accept4(ln.fd)
		switch {
		case err == nil:
			l.Spend()
			if !l.welcome(i, ln, fd, peer) {
				l.pauseAccept()
			}
		case errors.Is(err, syscall.EAGAIN):
			return
		case accept.OfOneConnect(err):
			l.Spend()
		case len(l.reserve) > 0:
			l.spendReserve()
			l.full = true
		default:
			l.pauseAccept() // EMFILE, ENFILE, ENOBUFS, ENOMEM, or what we never heard of
		}
	}
}

// welcome makes a link of fd, and reads what has come with its connect, if any
// has. False means that the kernel had no memory for it; the connect is lost.
func (l *loop) welcome(i int, ln listener, fd int, peer netip.AddrPort) bool {
	id, k := l.links.Add()
	armed := armedIn
	if l.engine.how.Edge {
		armed = armedEdge
	}
	if err := l.poll.change(fd, id.Slot, id.Gen, 0, armed); err != nil {
		l.links.Remove(id)
		_ = unix.Close(fd)
		return false
	}
	k.fd, k.flag = int32(fd), armed
	l.Admit()
	l.Calls.OnOpen(id, poller.Conn{Listener: i, Local: ln.local.Of(fd), Remote: peer})
	if l.isOpen(id) && !k.flag.has(paused) && l.early.likely() {
		l.early.was(l.readEarly(id, k))
	}
	return true
}

// pauseAccept stops listening on all addresses for a while. Where descriptors
// are the whole process's, connects wait meanwhile. Where they are the loop's
// own, other loops have some: shutdown takes the socket out of those that the
// kernel deals connects to, but keeps its port.
func (l *loop) pauseAccept() {
	l.PauseAccept()
	l.full = false
	l.engine.steer.end(l)
	for i := range l.listeners {
		l.ignore(i)
		if l.engine.how.Private {
			_ = unix.Shutdown(l.listeners[i].fd, unix.SHUT_RD)
		}
	}
}

// tendListeners ends a pause that has lasted long enough, and closes the
// listeners after StopAccept.
func (l *loop) tendListeners() {
	if l.engine.Deaf() {
		l.closeListeners()
	}
	if l.full {
		l.fill()
	}
	if !l.PauseIsOver() {
		return
	}
	if l.engine.how.Private && l.reopen() != nil {
		l.pauseAccept() // the same pause
		return
	}
	l.EndPause()
	for i := range l.listeners {
		if l.hear(i) != nil {
			l.pauseAccept()
			return
		}
	}
}

// hear has the kernel report connects of listener i.
func (l *loop) hear(i int) error {
	ln := &l.listeners[i]
	if ln.armed {
		return nil
	}
	err := l.poll.change(ln.fd, uint32(i), listenerGen, 0, armedIn)
	ln.armed = err == nil
	return err
}

func (l *loop) ignore(i int) {
	if ln := &l.listeners[i]; ln.armed {
		_ = l.poll.change(ln.fd, uint32(i), listenerGen, armedIn, 0)
		ln.armed = false
	}
}

func (l *loop) closeListeners() {
	for i, ln := range l.listeners {
		l.ignore(i)
		l.poll.forget(ln.fd)
		_ = unix.Close(ln.fd)
	}
	l.listeners = nil
	l.EndPause()
	l.spendReserve()
	l.full = false
}
