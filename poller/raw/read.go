//go:build linux || darwin || freebsd

package raw

import (
	"os"
	"syscall"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/sock"
)

// readable reads a link once, or to its end if the peer has hung up.
func (l *loop) readable(id poller.ID, k *link, hangup bool) {
	if k.flag.has(redeliver) {
		l.redeliver(id, k)
	}
	for !k.flag.has(marked) {
		if k.flag.has(paused) {
			k.flag |= muted
			l.arm(id.Slot, k)
			return
		}
		asked := l.room(k)
		n, errno := sock.Recv(int(k.fd), l.buf[:asked])
		switch {
		case n > 0:
			l.deliver(id, k, l.buf[:n:n])
			if n == asked || !hangup {
				return // what more there is makes an event of the next turn
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

// room is how much may be read of k: so much that it could all be left unused
// within MaxRest, as a handler may pause at any byte. With a full rest it is
// one byte, which either makes the handler go on or is one too many.
func (l *loop) room(k *link) int {
	free := l.engine.opts.MaxRest - len(l.rests.Bytes(k.rest))
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
	left := l.calls.OnData(id, in[:len(in):len(in)])
	switch {
	case k.flag.has(marked):
		// its rest goes when it is closed
	case len(left) == 0:
		l.rests.Free(k.rest)
		k.rest = 0
	case len(left) > l.engine.opts.MaxRest:
		l.Close(id, poller.ErrRestTooLarge)
	default:
		k.rest = l.rests.Keep(k.rest, left)
	}
	rest.Poison(fresh)
}

// Pause only marks: nearly always the handler resumes before the peer sends
// more, and then the kernel need not be told.
func (l *loop) Pause(id poller.ID) {
	if k := l.links.find(id); k != nil {
		k.flag |= paused
	}
}

func (l *loop) Resume(id poller.ID) {
	k := l.links.find(id)
	if k == nil || !k.flag.has(paused) {
		return
	}
	k.flag &^= paused
	// Whether there is a rest is seen later: an OnData under way may leave one.
	if !k.flag.has(redeliver) {
		k.flag |= redeliver
		l.resumed = append(l.resumed, id)
	}
	if k.flag.has(muted) {
		k.flag &^= muted
		l.arm(id.Slot, k)
	}
}

// runResumed delivers the rests of the links that were resumed so far. One
// that is resumed again meanwhile waits for the next turn.
func (l *loop) runResumed() {
	n := len(l.resumed)
	for i := range n {
		id := l.resumed[i]
		if k := l.links.find(id); k != nil && k.flag.has(redeliver) {
			l.redeliver(id, k)
		}
	}
	l.resumed = l.resumed[:copy(l.resumed, l.resumed[n:])]
}

func (l *loop) redeliver(id poller.ID, k *link) {
	k.flag &^= redeliver
	if k.rest != 0 && !k.flag.has(paused) {
		l.deliver(id, k, nil)
	}
}
