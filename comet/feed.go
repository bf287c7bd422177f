package comet

import (
	"sync"

	"github.com/oortim/oort/proto/ident"
)

const (
	// feedMost is how many changes are kept for readers, 2 MB and the names. A
	// reader that has fallen behind by more is told everything anew, so that one
	// who does not read costs nothing.
	feedMost = 1 << 17
	// feedPart bounds the rooms of one part, which with names of 97 bytes stays
	// far below what a message may hold.
	feedPart = 8192
)

// feed keeps in which order rooms began and ended here. An entry is only a
// name: whoever reads it asks the census how it stands now, so many changes of
// a room are told once.
//
// It is written with the lock of the room's shard held. That is what makes it
// true: when a second link joins a room, the entry of the first is there, though
// another loop made it.
type feed struct {
	most int // immutable; changes kept

	mu      sync.Mutex
	log     []ident.Room           // guarded by mu; change n lies at n modulo most
	next    uint64                 // guarded by mu; number of the next change
	readers map[*RoomFeed]struct{} // guarded by mu; without any nothing is kept
}

func newFeed() *feed { return &feed{most: feedMost, readers: map[*RoomFeed]struct{}{}} }

// note enters that r has begun or ended.
func (f *feed) note(r ident.Room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.readers) == 0 {
		return
	}
	if len(f.log) < f.most {
		f.log = append(f.log, r)
	} else {
		f.log[f.next%uint64(f.most)] = r
	}
	f.next++
	for reader := range f.readers {
		select {
		case reader.more <- struct{}{}:
		default:
		}
	}
}

// RoomFeed tells one reader which rooms have members here: first all, then what
// changes. Its methods but More are for one goroutine at a time.
type RoomFeed struct {
	census *census
	more   chan struct{}
	at     uint64       // the next change to tell
	shard  int          // the next to be listed of the snapshot under way; dirShards: none is
	rest   []ident.Room // of the shard listed last
	whole  bool         // the next part begins a snapshot
}

// RoomChanges is one part of what a feed tells.
type RoomChanges struct {
	// Snapshot: what was told before is void; this part and those that follow
	// until Next has no more are all rooms.
	Snapshot bool
	// Added and Removed are rooms with and without members. A room may be told
	// again though it has not changed.
	Added, Removed []string
}

// RoomFeed opens a feed; close it.
func (s *Server) RoomFeed() *RoomFeed { return s.census.open() }

func (c *census) open() *RoomFeed {
	r := &RoomFeed{census: c, more: make(chan struct{}, 1)}
	c.feed.mu.Lock()
	defer c.feed.mu.Unlock()
	c.feed.readers[r] = struct{}{}
	r.restart(c.feed.next)
	return r
}

// restart begins a snapshot. What changes from here on is told after it, also
// where the snapshot has seen it: a change is a state, so twice does not matter.
func (r *RoomFeed) restart(at uint64) {
	r.at, r.shard, r.rest, r.whole = at, 0, nil, true
}

// Close ends the feed.
func (r *RoomFeed) Close() {
	f := r.census.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, r)
	if len(f.readers) == 0 {
		f.log, f.next = nil, 0
	}
}

// More receives when there may be something to tell.
func (r *RoomFeed) More() <-chan struct{} { return r.more }

// Now is the position up to which a reader must have read to know of every
// change that has happened.
func (r *RoomFeed) Now() uint64 {
	f := r.census.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// Next returns the next part. ok is false, and there is none, if the reader has
// been told everything up to the position.
func (r *RoomFeed) Next(upTo uint64) (part RoomChanges, ok bool) {
	changed := r.changes(upTo)
	if r.shard < dirShards || len(r.rest) > 0 || r.whole {
		return r.list(), true
	}
	if len(changed) == 0 {
		return part, false
	}
	for name := range changed {
		if r.census.has(name) {
			part.Added = append(part.Added, string(name))
		} else {
			part.Removed = append(part.Removed, string(name))
		}
	}
	return part, true
}

// changes takes the names of the next changes, unless a snapshot is under way,
// or is needed, which it begins then.
func (r *RoomFeed) changes(upTo uint64) map[ident.Room]struct{} {
	f := r.census.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.next-r.at > uint64(f.most):
		r.restart(f.next)
		return nil
	case r.shard < dirShards || len(r.rest) > 0 || r.at >= upTo:
		return nil
	}
	changed := map[ident.Room]struct{}{}
	for end := min(f.next, r.at+feedPart); r.at < end; r.at++ {
		changed[f.log[r.at%uint64(f.most)]] = struct{}{}
	}
	return changed
}

// list takes the next part of a snapshot.
func (r *RoomFeed) list() (part RoomChanges) {
	part.Snapshot, r.whole = r.whole, false
	for len(part.Added) < feedPart {
		if len(r.rest) == 0 {
			if r.shard == dirShards {
				break
			}
			r.rest = r.census.shards[r.shard].names()
			r.shard++
			continue
		}
		n := min(len(r.rest), feedPart-len(part.Added))
		for _, name := range r.rest[:n] {
			part.Added = append(part.Added, string(name))
		}
		r.rest = r.rest[n:]
	}
	return part
}

// names lists the rooms of a shard.
func (s *roomShard) names() []ident.Room {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]ident.Room, 0, len(s.rooms))
	for name := range s.rooms {
		names = append(names, name)
	}
	return names
}
