//go:build linux

package uring

import (
	"os"
	"syscall"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/ring"
)

const (
	group       = 0 // of the buffers of a loop
	bufferCount = 256
	bufferSize  = 2 << 10
)

// hear has what comes on k delivered, unless it is already, or may not be yet.
func (l *loop) hear(id poller.ID, k *link) {
	if k.flag.has(hearing | paused | redeliver) {
		return
	}
	e := l.entry()
	e.Receive(k.fd, group)
	e.UserData = token(heard, id)
	k.flag |= hearing
	l.pending++
}

// silence ends the receive of k.
func (l *loop) silence(id poller.ID, k *link) {
	if k.flag&(hearing|silenced) == hearing {
		k.flag |= silenced
		l.cancel(token(heard, id))
	}
}

func (l *loop) cancel(t uint64) { l.entry().Cancel(t) }

// heard deals with a completion of a receive: bytes, or its end, or both.
func (l *loop) heard(id poller.ID, c ring.CQE) {
	if !c.More() {
		l.pending--
		if k := l.links.Tenant(id); k != nil {
			k.flag &^= hearing | silenced
		}
	}
	if number, ok := c.Buffer(); ok {
		b := l.buffers.Bytes(number, int(max(c.Res, 0)))
		if k := l.links.Find(id); k != nil && len(b) > 0 {
			l.take(id, k, b)
		}
		rest.Poison(b)
		l.buffers.Return(number)
	}
	if k := l.links.Find(id); k != nil && !c.More() {
		l.unheard(id, k, syscall.Errno(-min(c.Res, 0)), c.Res == 0)
	}
}

// unheard deals with the end of a receive. The peer's end is forgotten while
// the link is paused, as the kernel tells it again to the receive that follows
// Resume. A failure it tells only once.
func (l *loop) unheard(id poller.ID, k *link, errno syscall.Errno, end bool) {
	if k.flag.has(redeliver) {
		l.redeliver(id, k)
	}
	switch {
	case l.links.Find(id) == nil:
	case end && !k.flag.has(paused):
		l.Close(id, poller.ErrPeerClosed)
	case end || goesOn(errno):
		l.hear(id, k)
	case k.flag.has(paused):
		k.flag |= failed
		l.failures[id] = os.NewSyscallError("recv", errno)
	default:
		l.Close(id, os.NewSyscallError("recv", errno))
	}
}

// goesOn says whether errno ends only the receive and not the link.
func goesOn(errno syscall.Errno) bool {
	switch errno {
	case 0, syscall.ENOBUFS, syscall.ECANCELED, syscall.EINTR, syscall.EAGAIN:
		return true
	}
	return false
}

// take gives fresh bytes to the handler, or keeps them while it has paused. It
// then ends the receive: what comes until the kernel has done so is what it has
// at hand in one turn, 32 buffers a link.
func (l *loop) take(id poller.ID, k *link, fresh []byte) {
	if k.flag.has(redeliver) {
		l.redeliver(id, k)
	}
	switch {
	case l.links.Find(id) == nil:
	case k.flag.has(paused):
		k.rest = l.rests.Append(k.rest, fresh)
		l.silence(id, k)
	default:
		l.deliver(id, k, fresh)
	}
}

// deliver hands the rest of k and fresh to the handler and keeps what that
// leaves.
func (l *loop) deliver(id poller.ID, k *link, fresh []byte) {
	if k.rest == 0 {
		if left := l.offer(id, k, fresh, 0); len(left) > 0 {
			k.rest = l.rests.Append(0, left)
		}
		return
	}
	seen := len(l.rests.Bytes(k.rest))
	k.rest = l.rests.Append(k.rest, fresh)
	l.deliverRest(id, k, seen)
}

// deliverRest offers the rest of k, of which the handler has left seen bytes
// since it last paused.
func (l *loop) deliverRest(id poller.ID, k *link, seen int) {
	left := l.offer(id, k, l.rests.Bytes(k.rest), seen)
	if len(left) == 0 {
		l.rests.Free(k.rest)
		k.rest = 0
		return
	}
	k.rest = l.rests.Keep(k.rest, left)
}

// offer gives all to the handler, at most MaxRest bytes at a time, and returns
// what it left and, if it paused, what it was not given. With a full rest one
// byte more is given, which either makes the handler go on or is one too many.
func (l *loop) offer(id poller.ID, k *link, all []byte, seen int) []byte {
	limit := l.engine.Options.MaxRest
	for {
		n := min(len(all), max(limit, seen+1))
		left := len(l.Calls.OnData(id, all[:n:n]))
		all = all[n-left:]
		switch {
		case l.links.Find(id) == nil:
			return nil
		case left > limit:
			l.Close(id, poller.ErrRestTooLarge)
			return nil
		case len(all) == left || k.flag.has(paused):
			return all
		}
		seen = left
	}
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
}

// resume delivers what waits for a link that was resumed, unless newer bytes
// have brought it along.
func (l *loop) resume(id poller.ID) {
	if k := l.links.Find(id); k != nil && k.flag.has(redeliver) {
		l.redeliver(id, k)
	}
}

// redeliver delivers a rest that waits. Only when the handler has seen all of
// it is more received.
func (l *loop) redeliver(id poller.ID, k *link) {
	k.flag &^= redeliver
	if k.flag.has(paused) {
		return
	}
	if k.rest != 0 {
		l.deliverRest(id, k, 0)
	}
	switch {
	case l.links.Find(id) == nil || k.flag.has(paused):
	case k.flag.has(failed):
		l.Close(id, l.failures[id])
	default:
		l.hear(id, k)
	}
}
