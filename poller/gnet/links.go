//go:build linux

package gnet

import (
	"errors"
	"io"
	"os"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// received delivers what gnet has read of k.
func (l *loop) received(k *link, fresh []byte) {
	if l.Open(k) {
		l.stir()
		l.Deliver(k, fresh)
	}
}

// lost marks a link that gnet is about to close, because reading it came to
// its end or failed. A rest that Resume has promised to deliver goes first.
func (l *loop) lost(k *link, err error) {
	if !l.Open(k) {
		return
	}
	l.stir()
	l.Redeliver(k)
	if err == nil || errors.Is(err, io.EOF) {
		err = poller.ErrPeerClosed
	}
	l.Close(k.ID, err)
}

// Paused takes k out of gnet's epoll. At most one event of it is under way,
// whose bytes are kept; the end of the peer is seen after Resume.
func (l *loop) Paused(k *link) {
	if !k.Own.muted {
		k.Own.muted = true
		l.poll(k, unix.EPOLL_CTL_DEL)
	}
}

// Resumed has gnet read k again.
func (l *loop) Resumed(k *link) {
	if k.Own.muted {
		k.Own.muted = false
		l.poll(k, unix.EPOLL_CTL_ADD)
	}
}

func (l *loop) poll(k *link, op int) {
	if err := unix.EpollCtl(l.epoll, op, k.FD, &unix.EpollEvent{Fd: int32(k.FD), Events: netpoll.ReadEvents}); err != nil {
		l.Close(k.ID, os.NewSyscallError("epoll_ctl", err))
	}
}

// Arm has the socket watched.
func (l *loop) Arm(k *link) error { return l.full.Arm(k.FD, k.ID) }

// drain is told by another goroutine which sockets take bytes again.
func (l *loop) drain(ids []poller.ID) {
	l.drainedMu.Lock()
	l.drained = append(l.drained, ids...)
	l.drainedMu.Unlock()
	l.bell.ring()
}

// Begin pays what was owed.
func (l *loop) Begin() {
	l.drainedMu.Lock()
	ids := l.drained
	l.drained = l.spent[:0]
	l.drainedMu.Unlock()
	for _, id := range ids {
		l.Pay(id)
	}
	l.spent = ids
}

// Release has gnet close k. It calls its OnClose from within, and complains of
// a link that is muted, but closes it.
func (l *loop) Release(k *link) {
	if c := k.Own.lib; c != nil {
		k.Own.lib = nil
		_ = l.bell.events.Close(c)
	}
}
