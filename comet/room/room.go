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
	Blocks uint64       // blocks sealed
	Writes uint64       // writes of a block to a link
	Took   ledger.Times // of what Ends has as delivered
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
