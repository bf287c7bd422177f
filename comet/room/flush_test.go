package room

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

// slowly is a Writer and Owner whose sockets take everything, and whose clock
// goes on by cost with each write.
type slowly struct {
	swift
	clock time.Time
	cost  time.Duration
	each  func(id poller.ID)
}

func (s *slowly) now() time.Time { return s.clock }

func (s *slowly) wrote(ids ...poller.ID) {
	for _, id := range ids {
		s.clock = s.clock.Add(s.cost)
		if s.each != nil {
			s.each(id)
		}
	}
}

func (s *slowly) WriteEach(ids []poller.ID, block []byte, taken []int32) {
	s.wrote(ids...)
	s.swift.WriteEach(ids, block, taken)
}

func (s *slowly) Direct(id poller.ID, _ ident.Room, _ *ledger.Counts, _ []*Msg) { s.wrote(id) }

const (
	hugeRoom  = ident.Room("live://huge")
	otherRoom = ident.Room("live://other")
)

// fill makes n links members of a room, with slots from first on.
func fill(t *Table, name ident.Room, first, n int) {
	for i := range n {
		t.Join(poller.ID{Slot: uint32(first + i), Gen: 1}, name, TCP, 0, true)
	}
}

func newSlow(lim Limits, cost time.Duration) (*slowly, *Table) {
	s := &slowly{clock: time.Unix(1000, 0), cost: cost}
	return s, NewTable(s, s, NewSets(), lim, s.now)
}

// TestOthersPassAHugeRoom: while a room of 50,000 is being written to, no turn
// is long, and a room with few members, and one with many, wait for a turn or
// two and not for the flush.
func TestOthersPassAHugeRoom(t *testing.T) {
	const cost = 5 * time.Microsecond
	for _, others := range []int{1, 4, 60} {
		s, table := newSlow(Limits{}, cost)
		fill(table, hugeRoom, 0, 50_000)
		fill(table, otherRoom, 50_000, others)
		m := NewMsg(1000, make([]byte, 30), 0, 0)
		begun := s.clock
		var pushed, latest, longest time.Duration
		last := 0
		s.each = func(id poller.ID) {
			if id.Slot >= 50_000 {
				if last++; last == others {
					latest, last = max(latest, s.clock.Sub(begun)-pushed), 0
				}
			}
		}
		table.Push(hugeRoom, m)
		turns := 0
		for wait := time.Duration(0); wait == 0; turns++ {
			if turns%20 == 3 {
				pushed = s.clock.Sub(begun)
				table.Push(otherRoom, m)
			}
			before := s.clock
			wait = table.Flush()
			longest = max(longest, s.clock.Sub(before))
		}
		if turns < 300 || latest == 0 {
			t.Fatalf("%d turns, latest %v: the flush was not sliced", turns, latest)
		}
		if most := 2*slice + 2*chunk*cost; longest > most {
			t.Errorf("%d others: a turn took %v, want at most %v", others, longest, most)
		}
		if latest > 2*time.Millisecond {
			t.Errorf("%d others: a message waited %v behind a flush of 250 ms", others, latest)
		}
	}
}

// TestHugeRoomGoesOn: nor does a storm of pushes to small rooms keep a huge one
// from its half of the loop.
func TestHugeRoomGoesOn(t *testing.T) {
	s, table := newSlow(Limits{}, 5*time.Microsecond)
	fill(table, hugeRoom, 0, 10_000)
	names := make([]ident.Room, 1000)
	for i := range names {
		names[i] = ident.Room("live://" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
		fill(table, names[i], 10_000+i, 1)
	}
	m := NewMsg(1000, make([]byte, 30), 0, 0)
	table.Push(hugeRoom, m)
	begun := s.clock
	for table.Stats().Ends[ledger.Delivered][0] < 10_000 {
		for _, name := range names {
			table.Push(name, m)
		}
		table.Flush()
	}
	if took := s.clock.Sub(begun); took > 150*time.Millisecond {
		t.Errorf("50 ms of writing took %v", took)
	}
}

// TestRest: a lone message is written at once, a message behind a flush that
// cost something rests with others, and a room that is cheap never rests.
func TestRest(t *testing.T) {
	rows := []struct {
		members int
		cost    time.Duration
		rest    time.Duration // what the second message waits
	}{
		{members: 4, cost: 10 * time.Millisecond},
		{members: 50, cost: 5 * time.Microsecond},
		{members: 50, cost: 200 * time.Microsecond, rest: 10 * time.Millisecond},
		{members: 1000, cost: 80 * time.Microsecond, rest: 80 * time.Millisecond},
		{members: 1000, cost: 110 * time.Microsecond, rest: 30 * time.Millisecond}, // two flushes and the rest are MaxLatency
		{members: 1000, cost: 130 * time.Microsecond},
	}
	for _, row := range rows {
		s, table := newSlow(Limits{}, row.cost)
		fill(table, hugeRoom, 0, row.members)
		m := NewMsg(1000, make([]byte, 30), 0, 0)
		table.Push(hugeRoom, m)
		for table.Flush() == 0 {
		}
		if got := s.clock.Sub(time.Unix(1000, 0)); got != time.Duration(row.members)*row.cost {
			t.Errorf("%+v: a lone message took %v", row, got)
		}
		table.Push(hugeRoom, m)
		if wait := table.Flush(); max(wait, 0) != row.rest {
			t.Errorf("%+v: the next waits %v", row, wait)
		}
		if row.rest == 0 {
			continue
		}
		s.clock = s.clock.Add(row.rest - 1)
		if wait := table.Flush(); wait != 1 {
			t.Errorf("%+v: a nanosecond before its time it waits %v", row, wait)
		}
		s.clock = s.clock.Add(1)
		writes := table.Stats().Writes
		if table.Flush(); table.Stats().Writes == writes {
			t.Errorf("%+v: rested and not flushed", row)
		}
	}
}

// TestLatencyIsBounded: whatever is pushed whenever, no message waits longer
// than MaxLatency, or than two flushes of its room.
func TestLatencyIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lim := Limits{MaxLatency: time.Duration(rapid.IntRange(10, 200).Draw(t, "max")) * time.Millisecond}
		cost := time.Duration(rapid.IntRange(1, 40).Draw(t, "cost")) * time.Microsecond
		members := rapid.IntRange(5, 3000).Draw(t, "members")
		s, table := newSlow(lim, cost)
		fill(table, hugeRoom, 0, members)
		var sent []*Msg
		for range rapid.IntRange(1, 40).Draw(t, "messages") {
			m := NewMsg(1000, make([]byte, 30), 0, 0)
			m.Trace = ledger.NewTrace(s.clock.UnixMicro())
			sent = append(sent, m)
			table.Push(hugeRoom, m)
			next := s.clock.Add(time.Duration(rapid.IntRange(0, 50_000).Draw(t, "gap")) * time.Microsecond)
			for wait := table.Flush(); wait >= 0 && s.clock.Before(next); wait = table.Flush() {
				s.clock = s.clock.Add(min(wait, next.Sub(s.clock)))
			}
			if s.clock.Before(next) {
				s.clock = next
			}
		}
		for wait := table.Flush(); wait >= 0; wait = table.Flush() {
			s.clock = s.clock.Add(wait)
		}
		limit := max(lim.MaxLatency, 2*time.Duration(members)*cost) + slice + chunk*cost
		for i, m := range sent {
			if _, slowest := m.Trace.Ended(); slowest > limit {
				t.Fatalf("message %d took %v, want at most %v", i, slowest, limit)
			}
		}
		if got, want := table.Stats().Ends[ledger.Delivered][0], uint64(len(sent)*members); got != want {
			t.Fatalf("%d delivered, want %d", got, want)
		}
	})
}

// TestBudget: a room whose flushes take too long may have less waiting, down to
// what costs no more than a short write, and gets it back.
func TestBudget(t *testing.T) {
	table := NewTable(swift{}, swift{}, NewSets(), Limits{MaxLatency: 200 * time.Millisecond}, time.Now)
	rows := []struct {
		was, bytes int
		took       time.Duration
		want       int
	}{
		{1 << 20, 1 << 10, 100 * time.Millisecond, 1 << 20},
		{1 << 20, 1 << 19, 200 * time.Millisecond, 1 << 18},
		{1 << 18, 1 << 18, time.Hour, leastBudget},
		{1 << 18, 100, time.Hour, leastBudget}, // one short message to a million: shedding would not help
		{1 << 18, 1 << 20, 200 * time.Millisecond, 1 << 18},
		{leastBudget, leastBudget, 50 * time.Millisecond, 2 * leastBudget},
		{1 << 20, 1 << 20, 0, 1 << 20},
	}
	for _, row := range rows {
		if got := table.budget(row.was, row.bytes, row.took); got != row.want {
			t.Errorf("%+v: %d", row, got)
		}
	}
}
