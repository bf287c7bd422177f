package comet

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/oortim/oort/comet/ledger"
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
	links    slab.Slab[record]
	slots    uint32 // one above the highest slot ever used
	wheel    *wheel.Wheel
	parts    link.Parts
	sets     *room.Sets
	permits  permits
	rooms    *room.Table
	outs     map[uint32]*outbox
	boxed    int                  // bytes in outs
	longKeys map[uint32]ident.Key // by slot, see inlineKey
	origins  map[uint32]string    // of upgrades that have not authenticated yet
	spare    []*outbox
	young    []poller.ID // links that came, oldest first, with all that are fresh
	fresh    int         // links that are not authenticated
	surge    surge
	auths    int                 // connects under way
	asking   map[uint64]struct{} // the links that these are for, by number
	named    platforms
	casts    []*cast
	leave    *farewell
	buf      []byte       // scratch for replies
	one      [1]*room.Msg // scratch for one push
	told     room.Stats
	took     ledger.Times // of what the owner wrote, since the last publish
	clock    time.Time    // of this turn
	ticked   bool         // clock is of this turn
	number   uint64       // of the last link
	rng      *rand.Rand
}

func newBucket(s *Server, l poller.Loop) *bucket {
	b := &bucket{
		s: s, loop: l, m: s.meters[l.Index()],
		wheel: wheel.New(s.start), sets: room.NewSets(), outs: map[uint32]*outbox{}, origins: map[uint32]string{},
		asking:   map[uint64]struct{}{},
		permits:  newPermits(),
		longKeys: map[uint32]ident.Key{},
		rng:      rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	b.rooms = room.NewTable(l, b, b.sets, s.cfg.Limits.Room, time.Now)
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
	b.fresh++
	*r = record{
		id: id, state: young, listener: uint8(c.Listener), born: b.tick(), heard: b.tick(),
		tokens: uint32(b.s.cfg.Limits.Burst) * tokensAFrame,
		number: b.lastNumber(),
		dec:    link.NewDecoder(role, b.s.cfg.Proxy != nil),
	}
	r.setSource(c.Remote.Addr())
	b.m.opened.Add(1)
	b.wheel.Set(id.Slot, b.now().Add(b.s.cfg.Times.Handshake))
	over := b.s.links.Add(1) > int64(b.s.cfg.Limits.Links)
	switch {
	case b.s.draining.Load(): // accepted before the listeners closed
		b.turnAway(r, ReasonDraining)
	case b.s.cfg.Proxy != nil && !listed(b.s.cfg.Proxy, r.addr()):
		b.turnAway(r, ReasonBadProxy)
	case b.s.cfg.Proxy == nil && !b.admit(r):
		b.turnAway(r, ReasonSourceLimit)
	case over && !b.shed():
		b.turnAway(r, ReasonOverloaded)
	default:
		b.young = append(b.young, id)
	}
}

// lastNumber is the number of the link that came last to this loop.
func (b *bucket) lastNumber() uint64 { return uint64(b.loop.Index())<<linkBits | b.number }

// linkBits is how many bits of a link's number count the links of its loop.
const linkBits = 48

// turnAway ends a link at once. It gets no time to read why: during a flood,
// those that linger would take the descriptors.
func (b *bucket) turnAway(r *record, why Reason) {
	b.end(r, why)
	b.loop.Close(r.id, ended(why))
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
		if b.isFresh(id) {
			b.turnAway(b.at(id), ReasonOverloaded)
			return true
		}
	}
	return false
}

func (b *bucket) isFresh(id poller.ID) bool {
	r := b.at(id)
	return r != nil && (r.state == young || r.state == asking)
}

// trimYoung forgets those at the front that are fresh no more, and all of them
// when they are more than the fresh ones: so the list is bounded by the links,
// however long the oldest stays and however many come and go meanwhile.
func (b *bucket) trimYoung() {
	for len(b.young) > 0 && !b.isFresh(b.young[0]) {
		b.young = b.young[1:]
	}
	if len(b.young) > 2*b.fresh+1024 {
		b.young = slices.DeleteFunc(b.young, func(id poller.ID) bool { return !b.isFresh(id) })
	}
	if len(b.young) == 0 {
		b.young = nil
	}
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
	delete(b.longKeys, id.Slot)
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
		b.leaveRoom(r, name, ledger.Closed)
	}
	b.sets.Release(r.set)
	b.permits.release(r.may)
	r.set, r.may = 0, 0
	if r.counted {
		b.s.sources.leave(r.addr())
		r.counted = false
	}
	switch was {
	case young:
		b.fresh--
	case asking:
		b.fresh--
		b.loop.Resume(r.id)
	case live:
		b.m.live.Add(-1)
		b.digest(r)
		k := b.keyOf(r)
		b.s.keys.remove(k, place{loop: uint32(b.loop.Index()), id: r.id, epoch: r.epoch})
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
	width := 2 * least
	if why == ReasonOverloaded || why == ReasonUnavailable || why == ReasonRoomFull {
		b.surge.turn(b.tick(), ticks(b.s.cfg.Times.Retry))
		b.surge.turnedAway++
		width *= b.surge.factor()
	}
	return least + b.rng.IntN(width+1)
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
	wait := sooner(b.rooms.Flush(), b.broadcast(now))
	b.trimYoung()
	b.publish()
	b.ticked = false
	// The wheel is asked last: what was written above may have met a full
	// socket, whose deadline then is nearer than any before.
	return sooner(wait, b.wheel.Wait(now))
}

// publish moves the rooms' counters to where metrics read them.
func (b *bucket) publish() {
	if b.took.Sum > 0 {
		b.m.addTimes(&b.took)
		b.took = ledger.Times{}
	}
	now := b.rooms.Stats()
	if *now == b.told {
		return
	}
	b.m.addRooms(now, &b.told)
	b.told = *now
}

// OnStop has nothing left to do: every link has been closed.
func (b *bucket) OnStop() { b.publish() }

// joinRoom makes the link a member, or says which limit forbids it. Loops that
// make their last room at the same moment can pass that of rooms by one each.
func (b *bucket) joinRoom(r *record, name ident.Room) Reason {
	if b.s.rooms.Load() >= int64(b.s.cfg.Limits.Rooms) && !b.s.census.has(name) {
		return ReasonOverloaded
	}
	made, ok := b.s.census.join(name, b.loop.Index(), b.s.cfg.Limits.Members)
	if !ok {
		return ReasonRoomFull
	}
	b.s.rooms.Add(int64(made))
	b.rooms.Join(r.id, name, r.enc, r.set, b.upToDate(r))
	return ReasonNone
}

// upToDate reports whether nothing waits for the link.
func (b *bucket) upToDate(r *record) bool { return !r.stalled && !r.hasOut }

// leaveRoom takes the link out of its room; the rest of a block that it has
// begun becomes the first of its outbox.
func (b *bucket) leaveRoom(r *record, name ident.Room, why ledger.Outcome) {
	b.tellRoomGap(r, name)
	rest, begun := b.rooms.Leave(r.id, why)
	b.s.rooms.Add(int64(b.s.census.leave(name, b.loop.Index())))
	b.prepend(r, rest, begun)
}
