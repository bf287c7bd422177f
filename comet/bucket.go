package comet

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/oortim/oort/comet/link"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/comet/slab"
	"github.com/oortim/oort/comet/wheel"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

// bucket is the part of links and rooms that one loop owns, and the loop's
// handler. Nothing in it is locked.
type bucket struct {
	s    *Server
	loop poller.Loop
	m    *meters

	// owned by the loop
	links   slab.Slab[record]
	slots   uint32 // one above the highest slot ever used
	wheel   *wheel.Wheel
	parts   link.Parts
	sets    *room.Sets
	rooms   *room.Table
	outs    map[uint32]*outbox
	origins map[uint32]string // of upgrades that have not authenticated yet
	spare   []*outbox
	young   []poller.ID // not yet authenticated when they came; oldest first
	auths   int         // connects under way
	casts   []*cast
	leave   *farewell
	buf     []byte // scratch for replies
	told    room.Stats
	clock   time.Time // of this turn
	ticked  bool      // clock is of this turn
	number  uint64    // of the last link
	rng     *rand.Rand
}

func newBucket(s *Server, l poller.Loop) *bucket {
	b := &bucket{
		s: s, loop: l, m: s.meters[l.Index()],
		wheel: wheel.New(s.start), sets: room.NewSets(), outs: map[uint32]*outbox{}, origins: map[uint32]string{},
		rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	unixMicro := func() int64 { return b.now().UnixMicro() }
	b.rooms = room.NewTable(l, b, b.sets, s.cfg.Limits.Room, unixMicro)
	return b
}

// now is the time of this turn, read once.
func (b *bucket) now() time.Time {
	if !b.ticked {
		b.clock, b.ticked = time.Now(), true
	}
	return b.clock
}

// tick is now in ticks of the wheel since the start.
func (b *bucket) tick() uint32 { return ticks(b.now().Sub(b.s.start)) }

func ticks(d time.Duration) uint32 { return uint32(d / wheel.Tick) }

// at returns the record of id, nil if the link is gone.
func (b *bucket) at(id poller.ID) *record {
	if id.Slot >= b.slots {
		return nil
	}
	if r := b.links.At(id.Slot); r.id == id && r.state != free {
		return r
	}
	return nil
}

// OnOpen takes a new link in, or sheds it.
func (b *bucket) OnOpen(id poller.ID, c poller.Conn) {
	b.links.Grow(id.Slot)
	b.slots = max(b.slots, id.Slot+1)
	r := b.links.At(id.Slot)
	role := b.s.roles[c.Listener]
	b.number++
	*r = record{
		id: id, state: young, listener: uint8(c.Listener), born: b.tick(), heard: b.tick(), refilled: b.tick(),
		tokens: uint16(b.s.cfg.Limits.Burst),
		number: uint64(b.loop.Index())<<48 | b.number,
		dec:    link.NewDecoder(role, b.s.cfg.Proxy != nil),
	}
	r.setSource(c.Remote.Addr())
	b.m.opened.Add(1)
	b.wheel.Set(id.Slot, b.now().Add(b.s.cfg.Times.Handshake))
	if b.s.links.Add(1) > int64(b.s.cfg.Limits.Links) && !b.shed() {
		b.end(r, ReasonOverloaded)
		return
	}
	b.young = append(b.young, id)
	switch {
	case b.s.cfg.Proxy != nil:
		if !listed(b.s.cfg.Proxy, r.addr()) {
			b.end(r, ReasonBadProxy)
		}
	case !b.admit(r):
		b.end(r, ReasonSourceLimit)
	}
}

// admit counts the link in at its source.
func (b *bucket) admit(r *record) bool {
	if !b.s.sources.on() {
		return true
	}
	r.counted = b.s.sources.admit(r.addr(), b.now())
	return r.counted
}

func listed(from []netip.Prefix, a netip.Addr) bool {
	for _, p := range from {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// shed ends the oldest link of this loop that is not authenticated.
func (b *bucket) shed() bool {
	for len(b.young) > 0 {
		id := b.young[0]
		b.young = b.young[1:]
		if r := b.at(id); r != nil && (r.state == young || r.state == asking) {
			b.end(r, ReasonOverloaded)
			b.loop.Close(id, ended(ReasonOverloaded))
			return true
		}
	}
	return false
}

// trimYoung forgets those at the front that are young no more.
func (b *bucket) trimYoung() {
	for len(b.young) > 0 {
		r := b.at(b.young[0])
		if r != nil && (r.state == young || r.state == asking) {
			return
		}
		b.young = b.young[1:]
	}
	b.young = nil
}

// OnClose frees the slot; the last thing that happens to a link.
func (b *bucket) OnClose(id poller.ID, err error) {
	r := b.at(id)
	if r == nil {
		return
	}
	if r.state != leaving {
		b.withdraw(r, reasonOf(err))
	}
	b.dropOutbox(r)
	b.parts.Forget(id.Slot)
	delete(b.origins, id.Slot)
	b.wheel.Clear(id.Slot)
	b.s.links.Add(-1)
	b.m.closed[r.reason].Add(1)
	*r = record{}
}

// end tells the link why it has to go and lets it: the one way in which this
// side ends a link. What is begun, and op 6, are still sent.
func (b *bucket) end(r *record, why Reason) { b.endWith(r, why, why.closeCode(), b.retry(why)) }

func (b *bucket) endWith(r *record, why Reason, code uint16, retryMS int) {
	if r.state == leaving || r.state == free {
		return
	}
	b.withdraw(r, why)
	b.farewell(r, why, code, retryMS)
	b.wheel.Set(r.id.Slot, b.now().Add(b.s.cfg.Times.Linger))
	if !r.hasOut {
		b.finish(r)
	}
}

// finish sends FIN; the link closes when the client does, or after Linger.
func (b *bucket) finish(r *record) {
	if !r.finSent {
		r.finSent = true
		b.loop.CloseWrite(r.id)
	}
}

// withdraw takes the link out of everything but its socket, once.
func (b *bucket) withdraw(r *record, why Reason) {
	was := r.state
	r.state, r.reason = leaving, why
	if name := b.rooms.In(r.id); name != "" {
		b.leaveRoom(r, name, room.OwedClosed)
	}
	b.sets.Release(r.set)
	r.set = 0
	if r.counted {
		b.s.sources.leave(r.addr())
		r.counted = false
	}
	switch was {
	case asking:
		b.loop.Resume(r.id)
	case live:
		b.m.live.Add(-1)
		k := r.keyString()
		b.s.keys.remove(k, uint32(b.loop.Index()), r.id)
		b.s.pump.disconnect(Disconnect{Link: r.number, Key: k, Mid: r.mid, Epoch: r.epoch})
	}
}

// retry draws the advice on when to come back, in milliseconds; -1: do not,
// since the same would happen again.
func (b *bucket) retry(why Reason) int {
	switch why {
	case ReasonAuthDenied, ReasonBadAuth, ReasonReplaced, ReasonKicked, ReasonBadFrame, ReasonTooLarge,
		ReasonBadRoom, ReasonUnexpectedOp:
		return -1
	}
	least := int(b.s.cfg.Times.Retry / time.Millisecond)
	return least + b.rng.IntN(2*least+1)
}

// deadline is the next time, in ticks, at which the link ends if nothing
// happens, and why.
func (b *bucket) deadline(r *record) (due uint32, why Reason) {
	times := &b.s.cfg.Times
	due, why = r.heard+r.heartbeat, ReasonHeartbeatTimeout
	if r.state != live {
		due, why = r.born+ticks(times.Handshake), ReasonHandshakeTimeout
	}
	if stuck := r.stuck + ticks(times.Write); r.stalled && stuck < due {
		due, why = stuck, ReasonSlow
	}
	return due, why
}

// rearm sets the wheel to the link's deadline. Needed only when the deadline
// may have come nearer: one that moves away is found when the entry fires.
func (b *bucket) rearm(r *record) {
	due, _ := b.deadline(r)
	b.wheel.Set(r.id.Slot, b.s.start.Add(time.Duration(due)*wheel.Tick))
}

// expire looks after a link whose wheel entry fired.
func (b *bucket) expire(slot uint32) {
	r := b.links.At(slot)
	switch r.state {
	case free:
	case leaving:
		b.loop.Close(r.id, ended(r.reason))
	default:
		if due, why := b.deadline(r); due <= b.tick() {
			b.end(r, why)
			return
		}
		b.rearm(r)
	}
}

// OnTurn ends a turn: fire the wheel, flush the rooms, go on with broadcasts.
func (b *bucket) OnTurn(now time.Time) time.Duration {
	b.clock, b.ticked = now, true
	b.wheel.Advance(now, b.expire)
	b.rooms.Flush()
	wait := b.wheel.Wait(now)
	if d := b.broadcast(now); d >= 0 && (wait < 0 || d < wait) {
		wait = d
	}
	b.trimYoung()
	b.publish()
	b.ticked = false
	return wait
}

// publish moves the rooms' counters to where metrics read them.
func (b *bucket) publish() {
	now := b.rooms.Stats()
	if now == b.told {
		return
	}
	b.m.addRooms(now, b.told)
	b.told = now
}

// OnStop has nothing left to do: every link has been closed.
func (b *bucket) OnStop() { b.publish() }

// joinRoom makes the link a member; false if there are too many rooms.
func (b *bucket) joinRoom(r *record, name ident.Room) bool {
	if b.s.rooms.Load() >= int64(b.s.cfg.Limits.Rooms) && !b.s.census.has(name) {
		return false
	}
	b.s.rooms.Add(int64(b.s.census.add(name, b.loop.Index(), 1)))
	b.rooms.Join(r.id, name, r.enc, r.set, b.upToDate(r))
	return true
}

// upToDate reports whether nothing waits for the link.
func (b *bucket) upToDate(r *record) bool { return !r.stalled && !r.hasOut }

// leaveRoom takes the link out of its room; the rest of a block that it has
// begun becomes the first of its outbox.
func (b *bucket) leaveRoom(r *record, name ident.Room, why func(*room.Stats) *uint64) {
	rest := b.rooms.Leave(r.id, why)
	b.s.rooms.Add(int64(b.s.census.add(name, b.loop.Index(), -1)))
	b.prepend(r, rest)
}
