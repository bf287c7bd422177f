// Package slots deals out the numbers by which a loop and its server know a
// link, and keeps the engine's record of each.
//
// A slot is dense from 0 and dealt again after a close; a generation, never 0,
// tells one tenant of it from the next. A slot goes through these states:
//
//	free ─Add─▶ open ─Mark─▶ marked ─Remove─▶ free, of the next generation
//
// Whoever asks for an ID finds the link while it is open and nothing
// afterwards, so each engine keeps the contract's rule for operations on links
// that are marked or gone by looking links up here. To look one up is a
// comparison of one word.
package slots

import (
	"iter"

	"github.com/oortim/oort/poller"
)

// chunk is how many records are allocated at once. A chunk never moves, so
// growing copies nothing and a *T stays good.
const chunk = 4096

// closed is set in a record's generation while its slot is marked or free, and
// in no ID. So an ID equals the generation of its slot only while it is open.
const closed = 1 << 31

// record is 4 bytes and a T. Without a pointer in T the collector does not look
// at it.
type record[T any] struct {
	gen  uint32 // of the present tenant, or of the next one while the slot is free
	link T
}

// Table holds the links of one loop, which owns it. The zero Table is empty and
// ready to use. Lookups and, once the table has grown, Add and Remove allocate
// nothing.
type Table[T any] struct {
	chunks []*[chunk]record[T]
	dealt  uint32   // slots ever dealt
	free   []uint32 // slots without a tenant, the one to deal next last
}

func (t *Table[T]) at(slot uint32) *record[T] { return &t.chunks[slot/chunk][slot%chunk] }

// Find returns the link of id, or nil if it is marked or gone. The pointer is
// good until Remove; after that it shows the slot's next tenant.
func (t *Table[T]) Find(id poller.ID) *T {
	if id.Slot >= t.dealt {
		return nil
	}
	if r := t.at(id.Slot); r.gen == id.Gen {
		return &r.link
	}
	return nil
}

// Tenant is Find that also finds a link that is marked.
func (t *Table[T]) Tenant(id poller.ID) *T {
	if id.Slot >= t.dealt {
		return nil
	}
	if r := t.at(id.Slot); r.gen&^closed == id.Gen {
		return &r.link
	}
	return nil
}

// Add gives out a slot, the one freed last or else a new one, with a zero T.
func (t *Table[T]) Add() (poller.ID, *T) {
	var slot uint32
	if last := len(t.free) - 1; last >= 0 {
		slot, t.free = t.free[last], t.free[:last]
	} else {
		slot = t.deal()
	}
	r := t.at(slot)
	r.gen &^= closed
	return poller.ID{Slot: slot, Gen: r.gen}, &r.link
}

// deal makes a free slot of the first generation.
func (t *Table[T]) deal() uint32 {
	slot := t.dealt
	if slot%chunk == 0 {
		t.chunks = append(t.chunks, new([chunk]record[T]))
	}
	t.dealt++
	t.at(slot).gen = 1
	return slot
}

// Mark has id found no more and returns its link; nil if it was marked before
// or is gone. It is the one decision by which a link begins to end.
func (t *Table[T]) Mark(id poller.ID) *T {
	k := t.Find(id)
	if k != nil {
		t.at(id.Slot).gen |= closed
	}
	return k
}

// Remove frees the slot of id, marked or not, and clears its record. It does
// nothing if id is gone.
func (t *Table[T]) Remove(id poller.ID) {
	if t.Tenant(id) == nil {
		return
	}
	*t.at(id.Slot) = record[T]{gen: next(id.Gen) | closed}
	t.free = append(t.free, id.Slot)
}

// next is the generation after gen; 0 and what lies beyond closed are passed
// over.
func next(gen uint32) uint32 { return max((gen+1)&^closed, 1) }

// Len is how many links there are, marked ones included.
func (t *Table[T]) Len() int { return int(t.dealt) - len(t.free) }

// Open yields the links that are not marked, by slot. The loop may mark, remove
// and add meanwhile.
func (t *Table[T]) Open() iter.Seq2[poller.ID, *T] {
	return func(yield func(poller.ID, *T) bool) {
		for slot := range t.dealt {
			r := t.at(slot)
			if r.gen&closed == 0 && !yield(poller.ID{Slot: slot, Gen: r.gen}, &r.link) {
				return
			}
		}
	}
}
