// Package room is one loop's part of every room: who is a member, what waits
// to be sent, and how far each slow member has come.
//
// # A room is a log with cursors
//
// The members of a room on a loop fall into cohorts: those that receive the
// same bytes, because encoding and accepts are the same. Pushes wait in the
// room's pending list. A flush seals what waits into one block a cohort and
// writes it to each member that is up to date. These stand in front:
//
//	members[:ready]   have been given every block up to next
//	members[ready:]   lag: a cursor each
//
// so that a flush is one straight run over an array, and a block is encoded
// once however many receive it.
//
// A member whose socket is full gets a lag record: the block that it stopped
// in, the offset, and the number of the next block. Only while somebody lags
// the cohort keeps its blocks, in a ring bounded in bytes; when the socket
// takes bytes again the member is served from there by writev. Whoever falls
// off the ring's end finishes the block that it has begun, and is told how
// many messages it missed if it accepts op 18. So a slow link costs a cursor,
// and a thousand of them cost a thousand cursors and one ring.
package room

import (
	"github.com/oortim/oort/comet/slab"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

// Writer is what a table needs of its loop; poller.Loop has it.
type Writer interface {
	WriteEach(ids []poller.ID, block []byte, taken []int32)
	Writev(id poller.ID, bufs [][]byte) (n int, err error)
}

// Owner is what a table asks of the links' owner. It must not call back into
// the table's changing methods, but for Hold of the link in question.
type Owner interface {
	// Stalled: the socket of id is full; its write deadline starts.
	Stalled(id poller.ID)
	// Direct sends one message to a link that shares its bytes with nobody.
	Direct(id poller.ID, m *Msg)
}

// Limits of one loop's table. The zero value of a field means its default.
type Limits struct {
	// Pending bounds the bytes of one room that wait for a flush; above it the
	// oldest are shed. Zero means 1 MiB.
	Pending int
	// Ring bounds the bytes that one cohort keeps for members that lag. Zero
	// means 1 MiB.
	Ring int
	// Rings bounds what all cohorts of the loop keep together. Zero means
	// 64 MiB.
	Rings int
	// Batch bounds a WebSocket message that holds several frames. Zero means
	// 16 KiB.
	Batch int
}

func (l Limits) withDefaults() Limits {
	if l.Pending == 0 {
		l.Pending = 1 << 20
	}
	if l.Ring == 0 {
		l.Ring = 1 << 20
	}
	if l.Rings == 0 {
		l.Rings = 64 << 20
	}
	if l.Batch == 0 {
		l.Batch = 16 << 10
	}
	return l
}

// Stats of a table since its start, in messages × links where not said
// otherwise. They are a ledger: a message concerns each member that wants its
// op, from Push, or from the member's Join if it still waits then, and ends for
// each of them once. What was handed to Owner.Direct is counted there, and so
// is a begun block that Leave or Change give back.
type Stats struct {
	Delivered uint64 // handed to the socket whole
	Slow      uint64 // skipped by members that fell off the ring
	Shed      uint64 // over Limits.Pending
	Expired   uint64 // waited past their time
	Closed    uint64 // owed to links that closed
	Left      uint64 // owed to links that left, or lagged and changed accepts
	Blocks    uint64 // blocks sealed
	Writes    uint64 // writes of a block to a link
}

// member is where a link stands; one a slot, pointer-free.
type member struct {
	room    uint32 // index in Table.rooms, plus 1; 0: in none
	pos     uint32 // in cohort.members
	set     SetID
	cohort  uint8 // index in Room.cohorts
	enc     Encoding
	lagging bool
}

// maxCohorts bounds the cohorts of a room, since accepts are the clients' to
// choose. What does not fit shares the last one, which filters by member.
const maxCohorts = 16

type room struct {
	name    ident.Room
	members int
	pending []*Msg
	bytes   int // of pending
	dirty   bool
	cohorts []*cohort
}

// Table is one loop's part of all rooms. Owned by the loop.
type Table struct {
	w       Writer
	owner   Owner
	sets    *Sets
	lim     Limits
	byName  map[ident.Room]uint32
	rooms   []*room // nil where free
	free    []uint32
	members slab.Slab[member]
	lags    map[uint32]*lag // by slot
	spare   []*lag
	ringed  int // bytes in all rings
	dirty   []*room
	pool    blocks
	taken   []int32  // scratch of a flush
	picked  []*Msg   // scratch of sealing
	bufs    [][]byte // scratch of catching up
	stats   Stats
	now     func() int64 // Unix time in microseconds
}

// NewTable returns an empty table. now gives Unix time in microseconds.
func NewTable(w Writer, owner Owner, sets *Sets, lim Limits, now func() int64) *Table {
	return &Table{
		w: w, owner: owner, sets: sets, lim: lim.withDefaults(), now: now,
		byName: map[ident.Room]uint32{},
		lags:   map[uint32]*lag{},
		taken:  make([]int32, 1024),
	}
}

// Stats so far.
func (t *Table) Stats() Stats { return t.stats }

// Rooms is how many rooms have members here.
func (t *Table) Rooms() int { return len(t.byName) }

// In returns the room that the link is in; "" for none.
func (t *Table) In(id poller.ID) ident.Room {
	if m := t.member(id.Slot); m != nil {
		return t.rooms[m.room-1].name
	}
	return ""
}

// member returns where a slot stands, nil if in no room.
func (t *Table) member(slot uint32) *member {
	if slot >= t.members.Len() {
		return nil
	}
	if m := t.members.At(slot); m.room != 0 {
		return m
	}
	return nil
}

// Join makes id a member; it must be in no room. With upToDate false the link
// has bytes of its own to send first: it is served by CatchUp.
func (t *Table) Join(id poller.ID, name ident.Room, enc Encoding, set SetID, upToDate bool) {
	index, ok := t.byName[name]
	if !ok {
		index = t.open(name)
	}
	t.members.Grow(id.Slot)
	m := t.members.At(id.Slot)
	*m = member{room: index + 1, set: set, enc: enc}
	r := t.rooms[index]
	r.members++
	t.enter(r, m, id)
	if !upToDate {
		t.Hold(id)
	}
}

func (t *Table) open(name ident.Room) uint32 {
	index := uint32(len(t.rooms))
	if n := len(t.free); n > 0 {
		index = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.rooms = append(t.rooms, nil)
	}
	t.rooms[index] = &room{name: name}
	t.byName[name] = index
	return index
}

// Leave takes id out of its room; why is the counter of what it was still
// owed. If the link stopped in the middle of a block, rest is what must be sent
// to it before anything else, and begun is the number of messages in that
// block, which the caller counts. Leaving no room is no error: membership has
// one owner, here.
func (t *Table) Leave(id poller.ID, why func(*Stats) *uint64) (rest []byte, begun int) {
	m := t.member(id.Slot)
	if m == nil {
		return nil, 0
	}
	r := t.rooms[m.room-1]
	*why(&t.stats) += uint64(t.waitingFor(r, m))
	o := t.exit(r, m, id)
	*why(&t.stats) += o.missed
	if r.members--; r.members == 0 {
		t.drop(r, m.room-1)
	}
	*m = member{}
	return o.rest, o.begun
}

func (t *Table) drop(r *room, index uint32) {
	delete(t.byName, r.name)
	t.rooms[index] = nil
	t.free = append(t.free, index)
	r.pending, r.bytes = nil, 0
}

// Reasons for Leave: which counter takes what the link was still owed.
func OwedClosed(s *Stats) *uint64 { return &s.Closed }
func OwedLeft(s *Stats) *uint64   { return &s.Left }

// Change gives a member another set of accepts; rest and begun as in Leave.
// What was pushed before is sealed first, under the old ones. missed is how
// many messages a member that lagged loses; it has not been told of them.
func (t *Table) Change(id poller.ID, set SetID, upToDate bool) (rest []byte, begun int, missed uint64) {
	m := t.member(id.Slot)
	if m == nil || m.set == set {
		return nil, 0, 0
	}
	r := t.rooms[m.room-1]
	if len(r.pending) > 0 {
		t.flush(r)
	}
	o := t.exit(r, m, id)
	t.stats.Left += o.missed
	m.set = set
	t.enter(r, m, id)
	if !upToDate || len(o.rest) > 0 || o.missed > 0 {
		t.Hold(id)
	}
	return o.rest, o.begun, o.missed
}

// Push queues m for the next flush and returns how many members the room has
// here.
func (t *Table) Push(name ident.Room, m *Msg) int {
	index, ok := t.byName[name]
	if !ok {
		return 0
	}
	r := t.rooms[index]
	r.pending = append(r.pending, m)
	r.bytes += len(m.Frame)
	t.await(r, m, 1)
	for r.bytes > t.lim.Pending && len(r.pending) > 1 {
		oldest := r.pending[0]
		r.bytes -= len(oldest.Frame)
		r.pending[0] = nil
		r.pending = r.pending[1:]
		t.stats.Shed += t.await(r, oldest, -1)
	}
	if !r.dirty {
		r.dirty = true
		t.dirty = append(t.dirty, r)
	}
	return r.members
}

// await counts m in (1) or out (-1) at the cohorts that it waits for, and
// returns how many members want it if it goes out.
func (t *Table) await(r *room, m *Msg, n int) (members uint64) {
	for _, c := range r.cohorts {
		if len(c.members) == 0 || c.mixed && n > 0 {
			continue
		}
		if wanting := t.audience(c, m.Op); wanting > 0 {
			c.waiting += n
			members += uint64(wanting)
		}
	}
	return members
}

// wanted is how many pending messages a set wants.
func (r *room) wanted(set *Accepts) (n int) {
	for _, m := range r.pending {
		if set.Wants(m.Op) {
			n++
		}
	}
	return n
}

// Flush seals and writes what waits in every room.
func (t *Table) Flush() {
	for n := len(t.dirty); n > 0; n = len(t.dirty) {
		r := t.dirty[n-1]
		t.dirty[n-1] = nil
		t.dirty = t.dirty[:n-1] // first, so that a panic in flush comes once
		r.dirty = false
		t.flush(r)
	}
}

// keepPending is how large a pending list stays while it is empty.
const keepPending = 1024

func (t *Table) flush(r *room) {
	msgs := t.live(r)
	for _, c := range r.cohorts {
		c.waiting = 0
		if len(c.members) > 0 && len(msgs) > 0 {
			t.send(c, msgs)
		}
	}
	clear(r.pending)
	r.pending, r.bytes = r.pending[:0], 0
	if cap(r.pending) > keepPending {
		r.pending = nil
	}
}

// live takes out what expired while it waited.
func (t *Table) live(r *room) []*Msg {
	now := t.now()
	keep := r.pending[:0]
	for _, m := range r.pending {
		if m.expired(now) {
			t.stats.Expired += t.await(r, m, -1)
			continue
		}
		keep = append(keep, m)
	}
	return keep
}
