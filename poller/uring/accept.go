//go:build linux

package uring

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/accept"
)

// knocked deals with connects of listener i.
func (l *loop) knocked(i uint32) {
	if i >= uint32(len(l.listeners)) {
		return // closed meanwhile
	}
	l.listeners[i].polled = false
	l.accept(int(i))
	l.attend()
}

// accept takes connects of listener i until there is none, the turn's budget
// is used up, or descriptors run out.
func (l *loop) accept(i int) {
	for l.MayAccept() {
		ln := l.listeners[i]
		fd, peer, err := unix.Accept4(ln.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			l.Spend()
			l.welcome(i, ln, fd, peer)
		case errors.Is(err, syscall.EAGAIN):
			return
		case accept.OfOneConnect(err):
			l.Spend()
		default:
			l.PauseAccept() // EMFILE, ENFILE, ENOBUFS, ENOMEM, or what we never heard of
		}
	}
}

// welcome makes a link of fd.
func (l *loop) welcome(i int, ln listener, fd int, peer unix.Sockaddr) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	id, k := l.links.Add()
	k.fd = int32(fd)
	l.Admit()
	l.Calls.OnOpen(id, poller.Conn{Listener: i, Local: ln.local.Of(fd), Remote: accept.AddrPort(peer)})
	if l.links.Find(id) != nil {
		l.hear(id, k)
	}
}

// tendListeners goes on after a pause, and closes the listeners after
// StopAccept.
func (l *loop) tendListeners() {
	if l.engine.Deaf() {
		l.closeListeners()
	}
	if l.PauseIsOver() {
		l.EndPause()
		l.attend()
	}
}

// attend has the kernel tell of connects, also of those that wait already. In a
// pause all listeners are left alone: descriptors are the whole process's.
func (l *loop) attend() {
	for i := range l.listeners {
		ln := &l.listeners[i]
		if ln.polled || l.Pausing() {
			continue
		}
		e := l.entry()
		e.Poll(int32(ln.fd), unix.POLLIN)
		e.UserData = token(knocked, poller.ID{Slot: uint32(i)})
		ln.polled = true
		l.pending++
	}
}

// closeListeners closes them; as with links, the sockets themselves end with
// the loop's next submission.
func (l *loop) closeListeners() {
	for i, ln := range l.listeners {
		if ln.polled {
			l.cancel(token(knocked, poller.ID{Slot: uint32(i)}))
		}
		_ = unix.Close(ln.fd)
	}
	l.listeners = nil
	l.EndPause()
}
