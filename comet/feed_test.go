package comet

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/oortim/oort/proto/ident"
)

// mirror is what a reader of a feed believes.
type mirror struct {
	feed      *RoomFeed
	has       map[string]bool
	snapshots int
	parts     int
}

func newMirror(c *census) *mirror { return &mirror{feed: c.open(), has: map[string]bool{}} }

// read takes one part; false if there is none.
func (m *mirror) read(upTo uint64) bool {
	c, ok := m.feed.Next(upTo)
	if !ok {
		return false
	}
	if c.Snapshot {
		m.has = map[string]bool{}
		m.snapshots++
	}
	for _, r := range c.Removed {
		delete(m.has, r)
	}
	for _, r := range c.Added {
		m.has[r] = true
	}
	m.parts++
	return true
}

// sync reads up to now.
func (m *mirror) sync() {
	for upTo := m.feed.Now(); m.read(upTo); {
	}
}

// TestFeedFollows: whatever joins and leaves, and however much of it a reader
// misses, after a sync it believes what is so. Readers come and go.
func TestFeedFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCensus(2)
		c.feed.most = rapid.IntRange(1, 40).Draw(t, "kept")
		members := map[ident.Room][]int{} // loops, a link each
		readers := []*mirror{newMirror(c)}
		room := func() ident.Room { return ident.Room(fmt.Sprint("r://", rapid.IntRange(0, 12).Draw(t, "room"))) }
		t.Repeat(map[string]func(*rapid.T){
			"join": func(*rapid.T) {
				r, loop := room(), rapid.IntRange(0, 1).Draw(t, "loop")
				c.join(r, loop, 0)
				members[r] = append(members[r], loop)
			},
			"leave": func(*rapid.T) {
				if r := room(); len(members[r]) > 0 {
					c.leave(r, members[r][0])
					members[r] = members[r][1:]
				}
			},
			"open": func(*rapid.T) { readers = append(readers, newMirror(c)) },
			"close": func(*rapid.T) {
				if len(readers) > 1 {
					readers[0].feed.Close()
					readers = readers[1:]
				}
			},
			"read": func(*rapid.T) {
				m := rapid.SampledFrom(readers).Draw(t, "reader")
				m.read(m.feed.Now())
			},
			"sync": func(*rapid.T) {
				m := rapid.SampledFrom(readers).Draw(t, "reader")
				m.sync()
				for r, loops := range members {
					if m.has[string(r)] != (len(loops) > 0) {
						t.Fatalf("%s has %d members, the reader believes %v", r, len(loops), m.has[string(r)])
					}
				}
			},
		})
	})
}

// TestFeedIsAheadOfTheSecondJoin: two loops join one room at the same time. When
// either has joined, a reader that asks then knows of the room.
func TestFeedIsAheadOfTheSecondJoin(t *testing.T) {
	c := newCensus(2)
	readers := []*mirror{newMirror(c), newMirror(c)}
	for round := range 2000 {
		r := ident.Room(fmt.Sprint("r://", round%7))
		var wg sync.WaitGroup
		for loop := range 2 {
			wg.Go(func() {
				c.join(r, loop, 0)
				readers[loop].sync()
				if !readers[loop].has[string(r)] {
					t.Errorf("round %d: loop %d has joined %s and the reader does not know", round, loop, r)
				}
			})
		}
		wg.Wait()
		c.leave(r, 0)
		c.leave(r, 1)
	}
}

// TestFeedIsBounded: a reader that does not read holds nothing but the last
// changes, and is told everything anew.
func TestFeedIsBounded(t *testing.T) {
	const kept = 1000
	c := newCensus(1)
	c.feed.most = kept
	slow, quick := newMirror(c), newMirror(c)
	slow.sync()
	quick.sync()
	for i := range 4 * kept {
		r := ident.Room(fmt.Sprint("r://", i))
		c.join(r, 0, 0)
		if i%4 != 0 {
			c.leave(r, 0)
		}
		if i%(kept/2) == 0 {
			quick.sync()
		}
	}
	if n := len(c.feed.log); n != kept {
		t.Errorf("%d changes kept, want %d", n, kept)
	}
	slow.sync()
	quick.sync()
	if slow.snapshots != 2 || quick.snapshots != 1 {
		t.Errorf("%d and %d snapshots, want 2 and 1", slow.snapshots, quick.snapshots)
	}
	if want := kept; len(slow.has) != want || len(quick.has) != want {
		t.Errorf("%d and %d rooms told, want %d", len(slow.has), len(quick.has), want)
	}
	slow.feed.Close()
	quick.feed.Close()
	if c.feed.log != nil {
		t.Error("changes are kept for nobody")
	}
}

// TestFeedParts: no part is too large for a message, also where one shard has
// many rooms, and each room is told once.
func TestFeedParts(t *testing.T) {
	c := newCensus(1)
	const rooms = 3*feedPart + 5
	s := &c.shards[7]
	for i := range rooms {
		s.rooms[ident.Room(fmt.Sprint("r://", i))] = &headcount{here: []int32{1}, total: 1}
	}
	feed := c.open()
	var told []string
	for n := 0; ; n++ {
		part, ok := feed.Next(feed.Now())
		if !ok {
			break
		}
		if part.Snapshot != (n == 0) || len(part.Added) > feedPart || len(part.Removed) > 0 {
			t.Errorf("part %d: snapshot %v, %d rooms, %d removed", n, part.Snapshot, len(part.Added), len(part.Removed))
		}
		told = append(told, part.Added...)
	}
	slices.Sort(told)
	if len(told) != rooms || len(slices.Compact(told)) != rooms {
		t.Errorf("%d rooms told, want %d", len(told), rooms)
	}
}

// TestFeedOfNothing: an empty snapshot is a snapshot, too.
func TestFeedOfNothing(t *testing.T) {
	m := newMirror(newCensus(1))
	m.sync()
	if m.snapshots != 1 || m.parts != 1 {
		t.Errorf("%d snapshots in %d parts, want one", m.snapshots, m.parts)
	}
	select {
	case <-m.feed.More():
		t.Error("there is said to be more")
	default:
	}
	m.feed.census.join("r://1", 0, 0)
	<-m.feed.More()
}

// BenchmarkFeed lists a million rooms, and follows changes of them.
func BenchmarkFeed(b *testing.B) {
	c := newCensus(2)
	for i := range 1_000_000 {
		c.join(ident.Room(fmt.Sprint("live://room-", i)), 0, 0)
	}
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			f := c.open()
			for {
				if _, ok := f.Next(f.Now()); !ok {
					break
				}
			}
			f.Close()
		}
	})
	b.Run("join and leave", func(b *testing.B) {
		f := c.open()
		defer f.Close()
		b.ReportAllocs()
		for b.Loop() {
			c.join("live://x", 0, 0)
			c.leave("live://x", 0)
		}
	})
}
