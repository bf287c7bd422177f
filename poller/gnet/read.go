//go:build linux

package gnet

import (
	"os"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/rest"
)

// received delivers what gnet has read of k.
func (l *loop) received(k *link, fresh []byte) {
	if k.marked {
		return
	}
	l.stir()
	in := fresh
	if k.rest != 0 || k.waits() {
		k.rest = l.rests.Append(k.rest, fresh)
		in = l.rests.Bytes(k.rest)
	}
	if !k.waits() {
		l.deliver(k, in, k.seen)
	}
	rest.Poison(fresh)
}

// deliver offers the handler all of in, of which it has seen some and left it,
// in portions, until it pauses; and keeps what that leaves. A portion is so
// large that it could all be left unused within MaxRest, as a handler may
// pause at any byte. With a full rest it is one byte more, which either makes
// the handler go on or is one too many.
func (l *loop) deliver(k *link, in []byte, seen int) {
	limit := l.engine.opts.MaxRest
	for {
		end := seen + min(len(in)-seen, max(limit-seen, 1))
		left := l.calls.OnData(k.id, in[:end:end])
		if len(left) > limit {
			l.Close(k.id, poller.ErrRestTooLarge)
		}
		if k.marked {
			return // its rest goes when it is closed
		}
		seen = len(left)
		in = in[end-seen:]
		if seen == len(in) || k.waits() {
			l.keep(k, in, seen)
			return
		}
	}
}

// keep makes left, of which the handler has seen some, the rest of k.
func (l *loop) keep(k *link, left []byte, seen int) {
	if k.seen = seen; len(left) > 0 {
		k.rest = l.rests.Keep(k.rest, left)
		return
	}
	l.rests.Free(k.rest)
	k.rest = 0
}

func (l *loop) Pause(id poller.ID) {
	if k := l.links.find(id); k != nil && !k.paused {
		k.paused = true
		l.mute(k)
	}
}

func (l *loop) Resume(id poller.ID) {
	k := l.links.find(id)
	if k == nil || !k.paused {
		return
	}
	k.paused = false
	// Whether there is a rest is seen later: an OnData under way may leave one.
	if !k.redeliver {
		k.redeliver = true
		l.resumed = append(l.resumed, k)
	}
}

// runResumed delivers the rests of the links that were resumed so far, and has
// gnet read them again. One that is resumed again meanwhile waits for the next
// turn.
func (l *loop) runResumed() {
	n := len(l.resumed)
	for _, k := range l.resumed[:n:n] {
		if l.redeliver(k); !k.marked && !k.waits() {
			l.unmute(k)
		}
	}
	left := copy(l.resumed, l.resumed[n:])
	clear(l.resumed[left:])
	l.resumed = l.resumed[:left]
}

// redeliver offers the rest of k as if it had just come.
func (l *loop) redeliver(k *link) {
	k.redeliver = false
	if k.rest != 0 && !k.marked && !k.paused {
		l.deliver(k, l.rests.Bytes(k.rest), 0)
	}
}

// mute takes k out of gnet's epoll. At most one event of it is under way, whose
// bytes are kept; the end of the peer is seen after Resume.
func (l *loop) mute(k *link) {
	if !k.muted {
		k.muted = true
		l.poll(k, unix.EPOLL_CTL_DEL)
	}
}

func (l *loop) unmute(k *link) {
	if k.muted {
		k.muted = false
		l.poll(k, unix.EPOLL_CTL_ADD)
	}
}

func (l *loop) poll(k *link, op int) {
	if err := unix.EpollCtl(l.epoll, op, k.fd, &unix.EpollEvent{Fd: int32(k.fd), Events: netpoll.ReadEvents}); err != nil {
		l.Close(k.id, os.NewSyscallError("epoll_ctl", err))
	}
}
