//go:build linux || darwin || freebsd

package adapter

import (
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/rest"
)

// Deliver hands what has come of k to the handler, behind what it has left. If
// k waits, or pauses in the middle, what remains is kept, whatever its length: a
// library that can hold peers back should read no more than Room. fresh is the
// caller's again afterwards.
func (l *Loop[T]) Deliver(k *Link[T], fresh []byte) {
	if !l.Open(k) {
		return
	}
	in := fresh
	if k.rest != 0 || k.Waits() {
		k.rest = l.rests.Append(k.rest, fresh)
		in = l.rests.Bytes(k.rest)
	}
	if !k.Waits() {
		l.offer(k, in, k.seen)
	}
	rest.Poison(fresh)
}

// Room is how much may be read of k: so much that it could all be left unused
// within MaxRest, as a handler may pause at any byte. With a full rest it is
// one byte, which either makes the handler go on or is one too many.
func (l *Loop[T]) Room(k *Link[T]) int { return max(l.limit-l.Unused(k), 1) }

// Unused is how many bytes are kept of k.
func (l *Loop[T]) Unused(k *Link[T]) int { return len(l.rests.Bytes(k.rest)) }

// offer gives the handler all of in, of which it has seen some and left it, in
// portions of the Room that there is, until it pauses; and keeps what that
// leaves.
func (l *Loop[T]) offer(k *Link[T], in []byte, seen int) {
	for {
		end := seen + min(len(in)-seen, max(l.limit-seen, 1))
		left := l.calls.OnData(k.ID, in[:end:end])
		if len(left) > l.limit {
			l.Close(k.ID, poller.ErrRestTooLarge)
		}
		if !l.Open(k) {
			return // its rest goes when it is closed
		}
		seen = len(left)
		in = in[end-seen:]
		if seen == len(in) || k.Waits() {
			l.keep(k, in, seen)
			return
		}
	}
}

// keep makes left, of which the handler has seen some, the rest of k.
func (l *Loop[T]) keep(k *Link[T], left []byte, seen int) {
	if k.seen = seen; len(left) > 0 {
		k.rest = l.rests.Keep(k.rest, left)
		return
	}
	l.rests.Free(k.rest)
	k.rest = 0
}

func (l *Loop[T]) Pause(id poller.ID) {
	if k := l.Find(id); k != nil && !k.paused {
		k.paused = true
		l.adapter.Paused(k)
	}
}

func (l *Loop[T]) Resume(id poller.ID) {
	k := l.Find(id)
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

// runResumed delivers the rests of the links that were resumed so far. One
// that is resumed again meanwhile waits for the next turn.
func (l *Loop[T]) runResumed() {
	n := len(l.resumed)
	for _, k := range l.resumed[:n:n] {
		l.Redeliver(k)
		if !k.Waits() && l.Open(k) {
			k.openGate()
			l.adapter.Resumed(k)
		}
	}
	left := copy(l.resumed, l.resumed[n:])
	clear(l.resumed[left:])
	l.resumed = l.resumed[:left]
}

// Redeliver offers the rest of k as if it had just come, if Resume has promised
// that.
func (l *Loop[T]) Redeliver(k *Link[T]) {
	if !k.redeliver {
		return
	}
	k.redeliver = false
	if k.rest != 0 && !k.paused && l.Open(k) {
		l.offer(k, l.rests.Bytes(k.rest), 0)
	}
}
