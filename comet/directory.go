package comet

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

const dirShards = 256

// place is where a link lives in this process.
type place struct {
	loop uint32
	id   poller.ID
	// direct: a push was addressed to the link here; see directory.reach. It lies
	// where the struct has a hole.
	direct bool
	epoch  uint64
}

// is reports whether both are the place of one link.
func (p place) is(other place) bool {
	other.direct = p.direct
	return p == other
}

// directory says which loop has a key. It is pointer-free: keys are in it as
// hashes under a random seed, so that nobody outside can make two collide; the
// loop compares the key itself, and of two that do collide by chance (one pair
// in 10^8 processes of a million links) the later is found.
type directory struct {
	seed   maphash.Seed
	shards [dirShards]keyShard
}

type keyShard struct {
	mu     sync.Mutex
	places map[uint64]place // guarded by mu
	bars   bars             // guarded by mu
	tails  tails            // guarded by mu
}

func newDirectory() *directory {
	d := &directory{seed: maphash.MakeSeed()}
	for i := range d.shards {
		d.shards[i].places = map[uint64]place{}
	}
	return d
}

func (d *directory) at(k ident.Key) (*keyShard, uint64) {
	h := maphash.String(d.seed, string(k))
	return &d.shards[h%dirShards], h
}

// put enters p for k unless a later epoch stands there, or was there a moment
// ago. It returns the other one of the two, the loser, which the caller closes.
func (d *directory) put(k ident.Key, p place) (loser place, had bool) {
	s, h := d.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, had := s.places[h]
	if had && old.epoch > p.epoch || s.bars.hold(h, p.epoch) {
		return p, true
	}
	s.places[h] = p
	return old, had
}

// find returns the place of k.
func (d *directory) find(k ident.Key) (place, bool) {
	s, h := d.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.places[h]
	return p, ok
}

// remove takes k out if it is still p, and bars what logged in before p.
func (d *directory) remove(k ident.Key, p place) {
	s, h := d.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places[h].is(p) {
		delete(s.places, h)
		s.bars.put(h, p.epoch, time.Now())
	}
}

// bar keeps logins of k with an epoch up to this one out, for those that are on
// their way from logic.
func (d *directory) bar(k ident.Key, epoch uint64) {
	s, h := d.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bars.put(h, epoch, time.Now())
}

// bars remember for a while up to which epoch a key is out of date. Answers of
// logic can overtake each other, and a kick the answer that it concerns: a login
// that comes after a later one has come and gone, or after its kick, must not
// live. Two generations: what was put is held for barFor at least.
type bars struct {
	now, old map[uint64]uint64
	turned   time.Time
}

const (
	barFor  = 30 * time.Second // longer than an exchange with logic may take
	barMost = 4096             // a generation and shard; beyond it they turn early
)

func (b *bars) put(h, epoch uint64, at time.Time) {
	if b.now == nil || len(b.now) >= barMost || at.Sub(b.turned) > barFor {
		b.old, b.now, b.turned = b.now, map[uint64]uint64{}, at
	}
	b.now[h] = max(b.now[h], epoch)
}

func (b *bars) hold(h, epoch uint64) bool { return epoch <= max(b.now[h], b.old[h]) && epoch > 0 }

// census says which loops have a room, and how many links of it, here and in
// the whole cluster.
type census struct {
	loops  int
	seed   maphash.Seed
	feed   *feed // of the rooms that begin and end
	shards [dirShards]roomShard
}

type roomShard struct {
	mu    sync.Mutex
	rooms map[ident.Room]*headcount // guarded by mu
}

type headcount struct {
	here      []int32 // a loop
	total     int32   // sum of here
	elsewhere int32   // on other comets, as of the last renewal
}

func newCensus(loops int) *census {
	c := &census{loops: loops, seed: maphash.MakeSeed(), feed: newFeed()}
	for i := range c.shards {
		c.shards[i].rooms = map[ident.Room]*headcount{}
	}
	return c
}

func (c *census) at(r ident.Room) *roomShard {
	return &c.shards[maphash.String(c.seed, string(r))%dirShards]
}

// join counts a link of loop into r, unless r has as many as most; zero: it may
// have any number. made is 1 if that made the room.
func (c *census) join(r ident.Room, loop, most int) (made int, ok bool) {
	s := c.at(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.rooms[r]
	if h == nil {
		h = &headcount{here: make([]int32, c.loops)}
		s.rooms[r] = h
		made = 1
		c.feed.note(r)
	} else if most > 0 && int(h.total) >= most {
		return 0, false
	}
	h.here[loop]++
	h.total++
	return made, true
}

// leave counts a link of loop out of r, which it has joined. It returns -1 if
// that was the room's last.
func (c *census) leave(r ident.Room, loop int) (ended int) {
	s := c.at(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.rooms[r]
	h.here[loop]--
	h.total--
	if h.total == 0 {
		delete(s.rooms, r)
		c.feed.note(r)
		return -1
	}
	return 0
}

// has reports whether r has members here.
func (c *census) has(r ident.Room) bool {
	s := c.at(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rooms[r] != nil
}

// loopsOf calls visit for each loop that has r, with the number of its links.
func (c *census) loopsOf(r ident.Room, visit func(loop int, links int32)) {
	s := c.at(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.rooms[r]; h != nil {
		for loop, n := range h.here {
			if n > 0 {
				visit(loop, n)
			}
		}
	}
}

// online is the number of links of r in the cluster, as far as known.
func (c *census) online(r ident.Room) int32 {
	s := c.at(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.rooms[r]; h != nil {
		return h.total + h.elsewhere
	}
	return 0
}

// counts lists all rooms and their links here.
func (c *census) counts() map[string]int32 {
	all := map[string]int32{}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for r, h := range s.rooms {
			all[string(r)] = h.total
		}
		s.mu.Unlock()
	}
	return all
}

// learn takes the cluster's totals, of which reported were ours.
func (c *census) learn(totals, reported map[string]int32) {
	for name, total := range totals {
		r := ident.Room(name)
		s := c.at(r)
		s.mu.Lock()
		if h := s.rooms[r]; h != nil {
			h.elsewhere = max(0, total-reported[name])
		}
		s.mu.Unlock()
	}
}
