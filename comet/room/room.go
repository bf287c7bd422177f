// Package room is one loop's part of every room: who is a member, what waits
// to be sent, and how far each slow member has come.
//
// # A room is a log with cursors
//
// The members of a room on a loop fall into cohorts: those that receive the
// same bytes, because encoding and accepts are the same. Pushes wait in the
// room's queue. A flush seals what waits into one block a cohort and writes it
// to each member that is up to date. These stand in front:
//
//	members[:todo]       due: the flush under way has not come to them
//	members[todo:ready]  have been given every block
//	members[ready:]      lag: a cursor each
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
//
// # Flushes are sliced
//
// A flush of a large room takes slices of half a millisecond; between them the
// loop serves events and other rooms, so that no room waits for a huge one.
// Members come and go meanwhile: due members are the front of the array, the
// flush takes them from their end, and whoever leaves one of the three regions
// is replaced by the last of it. Flushes of one room never overlap.
//
// After a flush that cost a time c a room rests as long, within
// Limits.MaxLatency, so that no room takes more than half of its loop, and
// what comes meanwhile shares one block. While the loop keeps up that is
// nothing: a lone message waits for nobody.
//
// # Few members
//
// Most rooms have a handful of members. Up to four on a loop lie within the
// room's record, without cohorts and rings: what is pushed is handed to the
// links' owner, which has a bounded outbox for each.
package room

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
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
	// Busy reports whether id has bytes of its own to send first.
	Busy(id poller.ID) bool
	// Direct sends messages of a room to a link that shares its bytes with
	// nobody, behind markers of what it lost, if it wants them. The owner
	// counts how they end.
	Direct(id poller.ID, name ident.Room, lost *ledger.Counts, msgs []*Msg)
}

// Limits of one loop's table. The zero value of a field means its default.
type Limits struct {
	// Pending bounds the bytes of one room that wait for a flush; above it the
	// oldest of the lowest lane are shed, but none of lane system. A room whose
	// flushes take longer than half of MaxLatency gets less. Zero means 1 MiB.
	Pending int
	// Waiting bounds what waits in all rooms of the loop together; above it lane
	// system is shed too. Zero means 64 MiB.
	Waiting int
	// Ring bounds the bytes that one cohort keeps for members that lag. Zero
	// means 1 MiB.
	Ring int
	// Rings bounds what all cohorts of the loop keep together. Zero means
	// 64 MiB.
	Rings int
	// Age bounds how long a ring keeps a block: a member that lags longer is
	// past helping. Zero means 30 s.
	Age time.Duration
	// Batch bounds a WebSocket message that holds several frames. Zero means
	// 16 KiB.
	Batch int
	// MaxLatency bounds how long a room rests so that messages share a flush:
	// a message waits no longer than that, or than two flushes. Zero means
	// 250 ms.
	MaxLatency time.Duration
}

func (l Limits) withDefaults() Limits {
	or(&l.Pending, 1<<20)
	or(&l.Waiting, 64<<20)
	or(&l.Ring, 1<<20)
	or(&l.Rings, 64<<20)
	or(&l.Age, 30*time.Second)
	or(&l.Batch, 16<<10)
	or(&l.MaxLatency, 250*time.Millisecond)
	return l
}

func or[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Stats of a table since its start. Ends is a ledger: a message concerns each
// member that wants its op, from Push, or from the member's Join if it still
// waits then, and ends for each of them once. What was handed to Owner.Direct
// is counted there, and so is a begun block that Leave or Change give back.
type Stats struct {
	Ends   ledger.Sums
	Blocks uint64 // blocks sealed
	Writes uint64 // writes of a block to a link
}

// Ledger is one room's part of Stats, from when it was first kept.
type Ledger struct {
	Since  time.Time
	Pushed ledger.Counts // messages
	Handed ledger.Counts // messages × links that became the owner's to count
	Ends   ledger.Sums   // messages × links
}

// member is where a link stands; one a slot, pointer-free.
type member struct {
	room    uint32 // index in Table.rooms, plus 1; 0: in none
	pos     uint32 // in cohort.members; meaningless without a crowd
	set     SetID
	cohort  uint8 // index in crowd.cohorts
	enc     Encoding
	lagging bool
}

// few is how many members lie within the room's record.
const few = 4

// room is at most 96 bytes while it has few members and nothing waits.
type room struct {
	name    ident.Room
	few     [few]poller.ID // the members, without a crowd
	queue   *queue         // nil while nothing waits
	crowd   *crowd         // nil until there are more than few members
	ledger  *Ledger        // see Table.Ledger
	members uint32
	queued  bool // in Table.fresh, begun or rests
}

// Table is one loop's part of all rooms. Owned by the loop.
type Table struct {
	w       Writer
	owner   Owner
	sets    *Sets
	lim     Limits
	now     func() time.Time
	byName  map[ident.Room]uint32
	rooms   []*room // nil where free
	free    []uint32
	members slab.Slab[member]
	lags    map[uint32]*lag // by slot
	spare   []*lag
	ringed  int // bytes in all rings
	waiting int // bytes in all queues
	ledgers int // kept
	fresh   fifo
	begun   fifo
	rests   []*room
	queues  []*queue // spare
	pool    blocks
	taken   []int32       // scratch of a flush
	picked  []*Msg        // scratch of sealing for one member
	gaps    ledger.Counts // the same
	bufs    [][]byte      // scratch of catching up
	stats   Stats
}

// NewTable returns an empty table. now gives the time, monotonic part included.
func NewTable(w Writer, owner Owner, sets *Sets, lim Limits, now func() time.Time) *Table {
	return &Table{
		w: w, owner: owner, sets: sets, lim: lim.withDefaults(), now: now,
		byName: map[ident.Room]uint32{},
		lags:   map[uint32]*lag{},
		taken:  make([]int32, chunk),
	}
}

// Stats so far.
func (t *Table) Stats() *Stats { return &t.stats }

// Rooms is how many rooms have members here.
func (t *Table) Rooms() int { return len(t.byName) }

// Ledger returns the ledger of a room; false if the room has no members here. It
// is kept from the first push, or from when the room has many members, or, if
// there are too many rooms of few, from the first call of Ledger.
func (t *Table) Ledger(name ident.Room) (Ledger, bool) {
	index, ok := t.byName[name]
	if !ok {
		return Ledger{}, false
	}
	return *t.keepLedger(t.rooms[index]), true
}

// freeLedgers is how many ledgers a loop keeps for rooms of few members that
// nobody asked about: for a million such rooms they would weigh more than the
// links.
const freeLedgers = 4096

func (t *Table) keepLedger(r *room) *Ledger {
	if r.ledger == nil {
		t.ledgers++
		r.ledger = &Ledger{Since: t.now()}
	}
	return r.ledger
}

// end counts n messages × links of one lane.
func (t *Table) end(r *room, o ledger.Outcome, lane uint8, n uint64) {
	t.stats.Ends[o][lane] += n
	if r.ledger != nil {
		r.ledger.Ends[o][lane] += n
	}
}

// ends counts messages for n links.
func (t *Table) ends(r *room, o ledger.Outcome, msgs *ledger.Counts, n uint64) {
	t.stats.Ends[o].Add(msgs, n)
	if r.ledger != nil {
		r.ledger.Ends[o].Add(msgs, n)
	}
}

// handed counts what became the owner's to count.
func (t *Table) handed(r *room, msgs []*Msg) {
	if r.ledger == nil {
		return
	}
	for _, m := range msgs {
		r.ledger.Handed[m.Lane]++
	}
}

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
	if r.crowd == nil && r.members < few {
		r.few[r.members] = id
		r.members++
		return
	}
	if r.crowd == nil {
		t.gather(r)
	}
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

// gather makes a crowd of the few. It stays one until it is empty.
func (t *Table) gather(r *room) {
	r.crowd = &crowd{budget: t.lim.Pending}
	t.keepLedger(r)
	for _, id := range r.few[:r.members] {
		t.enter(r, t.members.At(id.Slot), id)
		if t.owner.Busy(id) {
			t.Hold(id)
		}
	}
	r.few = [few]poller.ID{}
}

// Leave takes id out of its room; why counts what it was still owed. If the
// link stopped in the middle of a block, rest is what must be sent to it before
// anything else, and begun are the messages in that block, which the caller
// counts. Leaving no room is no error: membership has one owner, here.
func (t *Table) Leave(id poller.ID, why ledger.Outcome) (rest []byte, begun []*Msg) {
	m := t.member(id.Slot)
	if m == nil {
		return nil, nil
	}
	r := t.rooms[m.room-1]
	waiting := t.waitingFor(r, m)
	t.ends(r, why, &waiting, 1)
	o := t.exit(r, m, id, why)
	t.ends(r, why, &o.missed, 1)
	t.handed(r, o.begun)
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
	if r.ledger != nil {
		t.ledgers--
	}
	if q := r.queue; q != nil {
		t.waiting -= q.bytes
		t.dropQueue(q)
		r.queue = nil
	}
	if cr := r.crowd; cr != nil && cr.sealed != nil {
		t.dropQueue(cr.sealed)
		cr.sealed = nil
	}
}

// Change gives a member another set of accepts; rest and begun as in Leave. It
// holds for what waits as well: nothing has to be flushed for it. A member that
// the flush under way has not come to gets its block first. missed is what a
// member that lagged loses; it has not been told of that.
func (t *Table) Change(id poller.ID, set SetID, upToDate bool) (rest []byte, begun []*Msg, gap ledger.Counts) {
	m := t.member(id.Slot)
	if m == nil || m.set == set {
		return nil, nil, gap
	}
	r := t.rooms[m.room-1]
	t.disclaim(r, m.set, set)
	if r.crowd == nil {
		m.set = set
		return nil, nil, gap
	}
	t.serveNow(r, m, id)
	o := t.exit(r, m, id, ledger.Left)
	t.ends(r, ledger.Left, &o.missed, 1)
	t.handed(r, o.begun)
	m.set = set
	t.enter(r, m, id)
	if !upToDate || len(o.rest) > 0 || o.gap.Total() > 0 {
		t.Hold(id)
	}
	return o.rest, o.begun, o.gap
}

// disclaim counts what waits and was wanted by the old set only.
func (t *Table) disclaim(r *room, old, next SetID) {
	if r.queue == nil {
		return
	}
	had, has := t.sets.At(old), t.sets.At(next)
	for _, m := range r.queue.msgs {
		if m != nil && had.Wants(m.Op) && !has.Wants(m.Op) {
			t.end(r, ledger.Left, m.Lane, 1)
		}
	}
}
