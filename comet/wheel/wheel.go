// Package wheel is a timing wheel over the slots of one loop, with at most one
// deadline a slot: the hashed wheel of Varghese and Lauck (SOSP 1987, scheme
// 6), with lists threaded through a slab so that an entry costs 12 bytes, no
// pointer and no allocation.
//
// A deadline that is only ever moved later should not touch the wheel: keep
// the true deadline elsewhere, and set the entry again when it fires early.
package wheel

import (
	"math/bits"
	"time"

	"github.com/oortim/oort/comet/slab"
)

const (
	// Tick is the wheel's resolution: an entry fires at most one Tick late,
	// and never early.
	Tick = 64 * time.Millisecond
	// Span is the longest wait; a longer one fires after Span and is set again
	// by its owner.
	Span = (spokes - 1) * Tick

	spokes = 4096 // 262 s
	none   = 0    // links are slot+1, so that a zeroed entry is free
)

type entry struct {
	next, prev uint32 // slot+1 of the neighbours
	spoke      uint32 // spoke+1 of the list that the entry is in; 0: in none
}

// Wheel holds the deadlines. Owned by one loop.
type Wheel struct {
	entries slab.Slab[entry]
	heads   [spokes]uint32      // slot+1 of the first entry
	full    [spokes / 64]uint64 // which spokes have entries
	start   time.Time
	now     uint64 // ticks since start that have been fired
	count   int
}

// New returns an empty wheel whose clock starts at start.
func New(start time.Time) *Wheel { return &Wheel{start: start} }

// Len is how many slots have a deadline.
func (w *Wheel) Len() int { return w.count }

// Set gives slot the deadline at, in place of an earlier one.
func (w *Wheel) Set(slot uint32, at time.Time) {
	w.Clear(slot)
	w.entries.Grow(slot)
	tick := uint64(max(0, at.Sub(w.start)+Tick-1) / Tick)
	tick = min(max(tick, w.now+1), w.now+spokes-1)
	w.link(slot, uint32(tick%spokes))
}

// Clear takes the deadline of slot back, if it has one.
func (w *Wheel) Clear(slot uint32) {
	if slot >= w.entries.Len() {
		return
	}
	e := w.entries.At(slot)
	if e.spoke == 0 {
		return
	}
	spoke := e.spoke - 1
	if e.next != none {
		w.entries.At(e.next - 1).prev = e.prev
	}
	if e.prev != none {
		w.entries.At(e.prev - 1).next = e.next
	} else {
		w.heads[spoke] = e.next
		if e.next == none {
			w.full[spoke/64] &^= 1 << (spoke % 64)
		}
	}
	*e = entry{}
	w.count--
}

func (w *Wheel) link(slot, spoke uint32) {
	head := w.heads[spoke]
	*w.entries.At(slot) = entry{next: head, spoke: spoke + 1}
	if head != none {
		w.entries.At(head - 1).prev = slot + 1
	}
	w.heads[spoke] = slot + 1
	w.full[spoke/64] |= 1 << (spoke % 64)
	w.count++
}

// Advance calls fire for each slot whose deadline has passed; the entry is
// gone before the call, and fire may Set and Clear any slot.
func (w *Wheel) Advance(now time.Time, fire func(slot uint32)) {
	target := uint64(max(0, now.Sub(w.start)) / Tick)
	for w.now < target {
		if w.count == 0 {
			w.now = target
			return
		}
		w.now += min(w.gap(), target-w.now)
		spoke := w.now % spokes
		for w.heads[spoke] != none {
			slot := w.heads[spoke] - 1
			w.Clear(slot)
			fire(slot)
		}
	}
}

// Wait is how long nothing will fire; negative: never.
func (w *Wheel) Wait(now time.Time) time.Duration {
	if w.count == 0 {
		return -1
	}
	next := w.start.Add(time.Duration(w.now+w.gap()) * Tick)
	return max(0, next.Sub(now))
}

// gap is the number of ticks from now to the next spoke with entries, 1 to
// spokes-1. There must be an entry.
func (w *Wheel) gap() uint64 {
	first := (w.now + 1) % spokes
	word := first / 64
	if m := w.full[word] >> (first % 64); m != 0 {
		return 1 + uint64(bits.TrailingZeros64(m))
	}
	for i := uint64(1); i <= spokes/64; i++ {
		k := (word + i) % (spokes / 64)
		if m := w.full[k]; m != 0 {
			spoke := k*64 + uint64(bits.TrailingZeros64(m))
			return (spoke-w.now%spokes+spokes-1)%spokes + 1
		}
	}
	return spokes - 1
}
