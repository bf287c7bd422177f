package ledger

import (
	"sync/atomic"
	"time"
)

// Watch follows one message of a sampled trace through this process, until each
// loop that it concerns is done with it: has flushed it to the links whose
// sockets took it, or has dropped it. It does not wait for links that lag. Loops
// write it, and whoever is last calls over. A nil Watch watches nothing and
// costs a comparison.
type Watch struct {
	over func(*Watch) // immutable

	holds atomic.Int32
	loops atomic.Int32 // that it was handed to
	first atomic.Int64 // Unix nanoseconds; 0: not yet
	last  atomic.Int64
	ends  [Outcomes]atomic.Uint32
}

// NewWatch has over called, once, when as many calls of Release as of Hold have
// been made and one more, which is the caller's of NewWatch. over must not
// block: it is called on a loop.
func NewWatch(over func(*Watch)) *Watch {
	w := &Watch{over: over}
	w.holds.Store(1)
	return w
}

// Hold is called for each loop that the message is handed to.
func (w *Watch) Hold() {
	if w != nil {
		w.holds.Add(1)
		w.loops.Add(1)
	}
}

// Release is called by each loop that is done with the message.
func (w *Watch) Release() {
	if w != nil && w.holds.Add(-1) == 0 {
		w.over(w)
	}
}

// End counts n links for which the message ended so; Deliver those that got it.
func (w *Watch) End(o Outcome, n int) {
	if w != nil && n > 0 {
		w.ends[o].Add(uint32(n))
	}
}

// Deliver counts n links that have got the message by now.
func (w *Watch) Deliver(n int, now time.Time) {
	if w == nil || n == 0 {
		return
	}
	w.End(Delivered, n)
	at := now.UnixNano()
	w.first.CompareAndSwap(0, at)
	for old := w.last.Load(); at > old && !w.last.CompareAndSwap(old, at); old = w.last.Load() {
	}
}

// Loops is how many loops the message was handed to.
func (w *Watch) Loops() int { return int(w.loops.Load()) }

// Written is when the first and the last write of the message were made; ok is
// false if there was none. A loop looks at the clock every so many writes, and
// the times are as exact as that.
func (w *Watch) Written() (first, last time.Time, ok bool) {
	at := w.first.Load()
	return time.Unix(0, at), time.Unix(0, w.last.Load()), at != 0
}

// Ended is how many links the message has ended for, by outcome.
func (w *Watch) Ended() (ends [Outcomes]uint32) {
	for i := range ends {
		ends[i] = w.ends[i].Load()
	}
	return ends
}
