//go:build unix

package std

import (
	"os"
	"sync"
	"syscall"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/rest"
)

// readSize is as much as one read may bring. Goroutines that wait for the
// lock hold as much each, so it is less than a reactor's.
const readSize = 4096

// buffers are what links are read into: taken only when the socket is tried,
// and given back if it has nothing, so that an idle link holds none.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// serve is the goroutine of one link.
func (l *loop) serve(k *link) {
	room := min(readSize, l.engine.opts.MaxRest)
	for room > 0 {
		buf, n, err := k.receive(room)
		room = l.received(k, buf, n, err)
		l.ring()
	}
}

// receive waits until there is something to read, at most room bytes of it. An
// error, or the end with n == 0, comes without a buffer.
func (k *link) receive(room int) (buf *[readSize]byte, n int, err error) {
	closed := k.raw.Read(func(fd uintptr) bool {
		buf = buffers.Get().(*[readSize]byte)
		for {
			n, err = syscall.Read(int(fd), buf[:room])
			if err != syscall.EINTR {
				break
			}
		}
		if n <= 0 {
			buffers.Put(buf)
			buf = nil
		}
		return err != syscall.EAGAIN
	})
	if closed != nil {
		return nil, 0, closed
	}
	return buf, n, os.NewSyscallError("read", err)
}

// received delivers what receive brought and returns how much may be read
// next, 0 if the link is at its end.
func (l *loop) received(k *link, buf *[readSize]byte, n int, err error) (room int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaitResume(k)
	switch {
	case k.marked:
	case err != nil:
		l.Close(k.id, err)
	case n == 0:
		l.Close(k.id, poller.ErrPeerClosed)
	default:
		l.deliver(k, buf[:n])
	}
	if buf != nil {
		rest.Poison(buf[:n])
		buffers.Put(buf)
	}
	if k.marked {
		return 0
	}
	return l.room(k)
}

// room is how much may be read of k: so much that it could all be left unused
// within MaxRest, as a handler may pause at any byte. With a full rest it is
// one byte, which either makes the handler go on or is one too many.
func (l *loop) room(k *link) int {
	free := l.engine.opts.MaxRest - len(l.rests.Bytes(k.rest))
	return min(max(free, 1), readSize)
}

// deliver hands the rest of k and fresh to the handler and keeps what that
// leaves.
func (l *loop) deliver(k *link, fresh []byte) {
	in := fresh
	if k.rest != 0 {
		k.rest = l.rests.Append(k.rest, fresh)
		in = l.rests.Bytes(k.rest)
	}
	left := l.calls.OnData(k.id, in[:len(in):len(in)])
	switch {
	case k.marked:
		// its rest goes when it is closed
	case len(left) == 0:
		l.rests.Free(k.rest)
		k.rest = 0
	case len(left) > l.engine.opts.MaxRest:
		l.Close(k.id, poller.ErrRestTooLarge)
	default:
		k.rest = l.rests.Keep(k.rest, left)
	}
}

// Pause only marks. The link's goroutine reads once more and then waits with
// what it has.
func (l *loop) Pause(id poller.ID) {
	if k := l.links.find(id); k != nil {
		k.paused = true
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
		l.ring()
	}
}

// runResumed delivers the rests of the links that were resumed so far. One
// that is resumed again meanwhile waits for the next turn.
func (l *loop) runResumed() {
	n := len(l.resumed)
	for _, k := range l.resumed[:n:n] {
		k.redeliver = false
		if k.rest != 0 && !k.marked && !k.paused {
			l.deliver(k, nil)
		}
		if !k.paused && !k.redeliver {
			k.openGate()
		}
	}
	left := copy(l.resumed, l.resumed[n:])
	clear(l.resumed[left:])
	l.resumed = l.resumed[:left]
}

// awaitResume lets go of l.mu while k is paused. The rest, which is older than
// what the caller has read, goes first.
func (l *loop) awaitResume(k *link) {
	for !k.marked && (k.paused || k.redeliver) {
		gate := make(chan struct{})
		k.gate = gate
		l.mu.Unlock()
		<-gate
		l.mu.Lock()
	}
}

func (k *link) openGate() {
	if k.gate != nil {
		close(k.gate)
		k.gate = nil
	}
}
