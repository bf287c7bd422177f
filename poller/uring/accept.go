//go:build linux

package uring

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/accept"
)

// acceptPause is how long a loop that ran out of descriptors waits before it
// tries again. Nobody tells it of relief.
const acceptPause = 200 * time.Millisecond

// knocked deals with connects of listener i.
func (l *loop) knocked(i uint32) {
	if i >= uint32(len(l.listeners)) {
		return // closed meanwhile
	}
	l.listeners[i].polled = false
	l.accept(int(i))
	l.attend(int(i))
}

// accept takes connects of listener i until there is none, the turn's budget
// is used up, or descriptors run out.
func (l *loop) accept(i int) {
	for l.retry.IsZero() && l.budget > 0 {
		ln := l.listeners[i]
		fd, peer, err := unix.Accept4(ln.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			l.budget--
			l.welcome(i, ln, fd, peer)
		case errors.Is(err, syscall.EAGAIN):
			return
		case accept.OfOneConnect(err):
			l.budget--
		default:
			l.pauseAccept() // EMFILE, ENFILE, ENOBUFS, ENOMEM, or what we never heard of
		}
	}
}

// welcome makes a link of fd.
func (l *loop) welcome(i int, ln listener, fd int, peer unix.Sockaddr) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	id, k := l.links.Add()
	k.fd = int32(fd)
	l.accepted.Add(1)
	l.calls.OnOpen(id, poller.Conn{Listener: i, Local: ln.local.Of(fd), Remote: accept.AddrPort(peer)})
	if l.links.Find(id) != nil {
		l.hear(id, k)
	}
}

// pauseAccept leaves all listeners alone for a while: descriptors are the whole
// process's.
func (l *loop) pauseAccept() {
	l.acceptPauses.Add(1)
	l.retry = time.Now().Add(acceptPause)
}

// tendListeners ends a pause that has lasted long enough, and closes the
// listeners after StopAccept.
func (l *loop) tendListeners() {
	if l.engine.deaf.Load() {
		l.closeListeners()
	}
	if l.retry.IsZero() || time.Now().Before(l.retry) {
		return
	}
	l.retry = time.Time{}
	for i := range l.listeners {
		l.attend(i)
	}
}

// attend has the kernel tell of connects of listener i, also of those that
// wait already.
func (l *loop) attend(i int) {
	ln := &l.listeners[i]
	if ln.polled || !l.retry.IsZero() {
		return
	}
	e := l.entry()
	e.Poll(int32(ln.fd), unix.POLLIN)
	e.UserData = token(knocked, poller.ID{Slot: uint32(i)})
	ln.polled = true
	l.pending++
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
	l.listeners, l.retry = nil, time.Time{}
}
