package room

import (
	"testing"
	"time"
	"unsafe"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

// swift is a Writer and Owner whose sockets take everything.
type swift struct{}

func (swift) WriteEach(ids []poller.ID, block []byte, taken []int32) {
	for i := range ids {
		taken[i] = int32(len(block))
	}
}
func (swift) Writev(_ poller.ID, bufs [][]byte) (n int, err error) {
	for _, b := range bufs {
		n += len(b)
	}
	return n, nil
}
func (swift) Stalled(poller.ID)                                    {}
func (swift) Busy(poller.ID) bool                                  { return false }
func (swift) Direct(poller.ID, ident.Room, *ledger.Counts, []*Msg) {}

func hall(members int) *Table {
	t := NewTable(swift{}, swift{}, NewSets(), Limits{}, time.Now)
	for i := range members {
		t.Join(poller.ID{Slot: uint32(i), Gen: 1}, ident.Room("live://1"), Encoding(i%2), 0, true)
	}
	return t
}

// TestPushAllocatesNothing: a room under steady load leaves nothing to the
// collector, be it one message a flush (TCP sends its frame as it is) or several.
func TestPushAllocatesNothing(t *testing.T) {
	for _, messages := range []int{1, 7} {
		table := hall(1000)
		m := NewMsg(1000, make([]byte, 30), 0, 0)
		n := testing.AllocsPerRun(200, func() {
			for range messages {
				table.Push("live://1", m)
			}
			table.Flush()
		})
		if n != 0 {
			t.Errorf("%d messages a flush: %v allocations, want 0", messages, n)
		}
	}
}

// TestFewAllocateNothing: nor do rooms with few members, nor keys that collapse.
func TestFewAllocateNothing(t *testing.T) {
	table := hall(3)
	m := NewMsg(1000, make([]byte, 30), 0, 0)
	likes := NewMsg(1000, make([]byte, 30), 0, 0)
	likes.Collapse = "likes"
	n := testing.AllocsPerRun(200, func() {
		for range 5 {
			table.Push("live://1", m)
			table.Push("live://1", likes)
		}
		table.Flush()
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestSlicesAllocateNothing: a flush in many slices leaves nothing either.
func TestSlicesAllocateNothing(t *testing.T) {
	s, table := newSlow(Limits{}, 100*time.Microsecond)
	fill(table, hugeRoom, 0, 2000)
	fill(table, otherRoom, 2000, 2)
	m := NewMsg(1000, make([]byte, 30), 0, 0)
	turn := func() {
		table.Push(hugeRoom, m)
		for wait := time.Duration(0); wait >= 0; wait = table.Flush() {
			table.Push(otherRoom, m)
			s.clock = s.clock.Add(wait)
			if wait > 0 {
				break
			}
		}
	}
	turn()
	if n := testing.AllocsPerRun(50, turn); n != 0 {
		t.Errorf("%v allocations a flush, want 0", n)
	}
}

// TestRoomIsSmall: a room of few members is its record, its name and an entry
// of the map.
func TestRoomIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(room{}); n > 96 {
		t.Errorf("a room takes %d bytes", n)
	}
	if n := unsafe.Sizeof(member{}); n > 16 {
		t.Errorf("a member takes %d bytes", n)
	}
}

// TestLaggingAllocatesNothing: nor do members that fall behind and catch up.
func TestLaggingAllocatesNothing(t *testing.T) {
	table := hall(100)
	m := NewMsg(1000, make([]byte, 30), 0, 0)
	turn := func() {
		for slot := range uint32(50) {
			table.Hold(poller.ID{Slot: slot, Gen: 1})
		}
		table.Push("live://1", m)
		table.Flush()
		for slot := range uint32(50) {
			if ok, err := table.CatchUp(poller.ID{Slot: slot, Gen: 1}); !ok || err != nil {
				t.Fatal("not caught up", err)
			}
		}
	}
	turn()
	if n := testing.AllocsPerRun(200, turn); n > 4 { // the two rings, made while somebody lags
		t.Errorf("%v allocations a turn, want at most 4", n)
	}
}
