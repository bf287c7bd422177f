//go:build linux

package uring

import "github.com/oortim/oort/poller"

// link is what the engine keeps of one link: with its generation 16 bytes, none
// of them a pointer.
type link struct {
	fd    int32
	rest  uint32 // handle of its bytes that were not used, 0 for none
	flag  flag
	batch uint16 // of sends in which it was last
}

// flag is a set of facts about a link.
//
//	           hear                    bytes while paused
//	(silent) ───────▶ hearing ──────────────────────────▶ hearing|silenced
//	   ▲                 │ end, error, no buffer                 │
//	   └─────────────────┴───────────────────────────────────────┘
type flag uint16

const (
	paused    flag = 1 << iota // deliveries are off
	hearing                    // a receive is under way
	silenced                   // and has been cancelled
	redeliver                  // it is in loop.resumed, and its rest will be delivered
	owed                       // a write was short, and OnWritable will come
	polling                    // a poll for that is under way
	finished                   // our FIN is sent
	failed                     // its receive failed while it was paused: loop.failures says how
)

func (f flag) has(g flag) bool { return f&g != 0 }

// kind says what a completion is of.
type kind uint32

const (
	ignored kind = iota // nobody waits for it
	knocked             // a listener has connects; the slot is its index
	rung                // somebody wakes the loop
	heard               // a link received something
	drained             // a link can be written
	sent                // a send of WriteEach failed; the slot is an index in its ids
)

// token is what a request carries and its completions bring back: what it is
// for, and the link's slot and generation. A completion that comes after its
// link has gone names a generation that is gone, and so concerns nobody.
func token(k kind, id poller.ID) uint64 {
	return uint64(id.Gen)<<32 | uint64(k)<<slotBits | uint64(id.Slot)
}

// slotBits is enough: the kernel gives a process at most 2²⁰ × 1,024
// descriptors, and no loop has memory for as many links.
const slotBits = 28

func ofToken(t uint64) (kind, poller.ID) {
	low := uint32(t)
	return kind(low >> slotBits), poller.ID{Slot: low & (1<<slotBits - 1), Gen: uint32(t >> 32)}
}
