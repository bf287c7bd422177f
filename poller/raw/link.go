//go:build linux || darwin || freebsd

package raw

import "github.com/oortim/oort/poller"

// link is all that the engine keeps of one link: 16 bytes without a pointer,
// so a million of them are 16 MB that the collector does not look at.
type link struct {
	fd   int32
	gen  uint32 // of the present tenant, or of the next one while the slot is free
	flag flag
	rest uint32 // handle of its unused bytes, 0 for none; in a free slot the next free slot + 1
}

// flag is a set of facts about a link.
//
//	free ─accept─▶ open ─Close, error, FIN─▶ open|marked ─OnClose─▶ free
type flag uint32

const (
	open      flag = 1 << iota // the slot has a tenant
	marked                     // it is in loop.closing, and OnClose will come
	paused                     // deliveries are off
	muted                      // bytes came while paused, so reading is disarmed
	redeliver                  // it is in loop.resumed, and its rest will be delivered
	unread                     // edge-triggered: no event will tell of what may wait; in loop.more or paused
	owed                       // a write was short, and OnWritable will come
	finished                   // our FIN is sent
	armedIn                    // the kernel reports when it can be read
	armedOut                   // the kernel reports when it can be written
	armedEdge                  // the kernel reports both, once, when that changes
)

func (f flag) has(g flag) bool { return f&g != 0 }

// chunk is how many links are allocated at once. A chunk never moves, so
// growing copies nothing and a *link stays good.
const chunk = 4096

// table holds the links of one loop by slot.
type table struct {
	chunks []*[chunk]link
	dealt  uint32 // slots ever dealt
	free   uint32 // the free slot to deal next + 1, 0 for none
	live   int    // slots with a tenant
}

// at returns the record of a slot that was dealt.
func (t *table) at(slot uint32) *link { return &t.chunks[slot/chunk][slot%chunk] }

// find returns the link of id, or nil if it is gone or marked.
func (t *table) find(id poller.ID) *link {
	if id.Slot >= t.dealt {
		return nil
	}
	if k := t.at(id.Slot); k.gen == id.Gen && k.flag&(open|marked) == open {
		return k
	}
	return nil
}

// add gives fd a slot: the one freed last, or else a new one.
func (t *table) add(fd int) (poller.ID, *link) {
	slot := t.free - 1
	if t.free != 0 {
		t.free = t.at(slot).rest
	} else {
		slot = t.dealt
		if slot%chunk == 0 {
			t.chunks = append(t.chunks, new([chunk]link))
		}
		t.dealt++
	}
	k := t.at(slot)
	*k = link{fd: int32(fd), gen: max(k.gen, 1), flag: open}
	t.live++
	return poller.ID{Slot: slot, Gen: k.gen}, k
}

// remove frees a slot. Its next tenant has another generation, never 0.
func (t *table) remove(slot uint32) {
	k := t.at(slot)
	*k = link{fd: -1, gen: max(k.gen+1, 1), rest: t.free}
	t.free = slot + 1
	t.live--
}

// each calls f with every link that has a tenant, marked or not.
func (t *table) each(f func(poller.ID)) {
	for slot := range t.dealt {
		if k := t.at(slot); k.flag.has(open) {
			f(poller.ID{Slot: slot, Gen: k.gen})
		}
	}
}
