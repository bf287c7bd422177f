//go:build linux || darwin || freebsd

package raw

import (
	"os"
	"syscall"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/sock"
)

// readsATurn is how often an edge-triggered link is read in a turn, if each
// time it had as much as was asked for. Then others get their turn.
const readsATurn = 4

// readable reads what has come: once, as the kernel will report again what is
// left, or to the end if the peer has hung up. An edge-triggered link is read
// until it has no more, and left for the next turn if that takes long.
func (l *loop) readable(id poller.ID, k *link, hangup bool) {
	if k.flag.has(redeliver) {
		l.redeliver(id, k)
	}
	k.flag &^= unread
	edge := k.flag.has(armedEdge)
	for reads := 0; l.isOpen(id); reads++ {
		if k.flag.has(paused) {
			l.mute(id, k)
			return
		}
		if reads == readsATurn && edge {
			k.flag |= unread
			l.more = append(l.more, id)
			return
		}
		asked := l.room(k)
		n, errno := sock.Recv(int(k.fd), l.buf[:asked])
		switch {
		case n > 0:
			l.deliver(id, k, l.buf[:n:n])
			all := n < asked // more than that would have filled the buffer
			if all && !hangup || !all && !edge {
				return
			}
		case errno == 0:
			l.Close(id, poller.ErrPeerClosed)
		case errno == syscall.EAGAIN:
			return
		case errno != syscall.EINTR:
			l.Close(id, os.NewSyscallError("recv", errno))
		}
	}
}

// readEarly reads a link that has just been accepted, once; what is left makes its
// first event, as anything would. False means that nothing had come.
func (l *loop) readEarly(id poller.ID, k *link) (came bool) {
	n, errno := sock.Recv(int(k.fd), l.buf[:l.room(k)])
	switch {
	case n > 0:
		l.deliver(id, k, l.buf[:n:n])
	case errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR:
		l.Close(id, os.NewSyscallError("recv", errno))
	}
	return n > 0
}

// early guesses whether the first words of a link have come by the time it is
// accepted: they have where the client sends them with the last segment of the
// handshake, and where connects have had to wait. Then reading at once saves
// an event. Where they come later, one accept in tryEarly tries.
type early struct{ missed int } // in succession, up to the limit

const (
	stopEarly = 8
	tryEarly  = 64
)

func (e *early) likely() bool {
	if e.missed < stopEarly {
		return true
	}
	if e.missed++; e.missed < stopEarly+tryEarly {
		return false
	}
	e.missed = stopEarly
	return true
}

func (e *early) was(came bool) {
	switch {
	case came:
		e.missed = 0
	case e.missed < stopEarly:
		e.missed++
	}
}

// mute remembers that a paused link has bytes, or its end, to be read.
func (l *loop) mute(id poller.ID, k *link) {
	if k.flag.has(armedEdge) {
		k.flag |= unread
		return
	}
	k.flag |= muted
	l.arm(id, k)
}

// room is how much may be read of k: so much that it could all be left unused
// within MaxRest, as a handler may pause at any byte. With a full rest it is
// one byte, which either makes the handler go on or is one too many.
func (l *loop) room(k *link) int {
	free := l.engine.Options.MaxRest - len(l.rests.Bytes(k.rest))
	return min(max(free, 1), len(l.buf))
}

// deliver hands the rest of k and fresh, which lies in the shared buffer, to
// the handler and keeps what that leaves.
func (l *loop) deliver(id poller.ID, k *link, fresh []byte) {
	in := fresh
	if k.rest != 0 {
		k.rest = l.rests.Append(k.rest, fresh)
		in = l.rests.Bytes(k.rest)
	}
	left := l.Calls.OnData(id, in[:len(in):len(in)])
	switch {
	case !l.isOpen(id):
		// its rest goes when it is closed
	case len(left) == 0:
		l.rests.Free(k.rest)
		k.rest = 0
	case len(left) > l.engine.Options.MaxRest:
		l.Close(id, poller.ErrRestTooLarge)
	default:
		k.rest = l.rests.Keep(k.rest, left)
	}
	rest.Poison(fresh)
}

// Pause only marks: nearly always the handler resumes before the peer sends
// more, and then the kernel need not be told.
func (l *loop) Pause(id poller.ID) {
	if k := l.links.Find(id); k != nil {
		k.flag |= paused
	}
}

func (l *loop) Resume(id poller.ID) {
	k := l.links.Find(id)
	if k == nil || !k.flag.has(paused) {
		return
	}
	k.flag &^= paused
	// Whether there is a rest is seen later: an OnData under way may leave one.
	if !k.flag.has(redeliver) {
		k.flag |= redeliver
		l.Resumed(id)
	}
	if k.flag.has(muted) {
		k.flag &^= muted
		l.arm(id, k)
	}
}

// runMore reads the first n of the links that had more.
func (l *loop) runMore(n int) {
	for i := range n {
		l.readUnread(l.more[i])
	}
	l.more = l.more[:copy(l.more, l.more[n:])]
}

func (l *loop) readUnread(id poller.ID) {
	if k := l.links.Find(id); k != nil && k.flag.has(unread) {
		l.readable(id, k, true) // maybe: what came with its event is forgotten
	}
}

// resume delivers what waits for a link that was resumed, and reads it if it
// needs no event for that.
func (l *loop) resume(id poller.ID) {
	if k := l.links.Find(id); k != nil && k.flag.has(redeliver) {
		l.redeliver(id, k)
	}
	l.readUnread(id)
}

func (l *loop) redeliver(id poller.ID, k *link) {
	k.flag &^= redeliver
	if k.rest != 0 && !k.flag.has(paused) {
		l.deliver(id, k, nil)
	}
}
