package dispatch

import (
	"fmt"
	"hash/maphash"
	"time"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/pushpb"
)

// rooms is what an outlet knows of its comet's rooms, over the stream that is
// attached. Without one it knows nothing, and sends everything.
//
// A record of a room that the comet has is sent. For one of another room it
// matters when the comet last said so: a link may have joined since, and have
// heard of it, before the record was pushed. So the record waits until the comet
// has echoed a Sync that was sent after the record was offered. What the echo
// answers was said behind every join before it, and whoever joins later joined
// after the push.
//
// A Sync has the number of the last delivery that was offered before it; one is
// under way at a time, so those that come meanwhile share the next.
type rooms struct {
	seed    maphash.Seed
	has     map[uint64]struct{} // hashes of the rooms, as of the last change told
	begun   bool                // a snapshot has begun on this stream
	known   bool                // has is complete, and echoes are in time
	due     bool                // a Sync is wanted, whatever was offered
	want    uint64              // the last delivery that needs a Sync
	asked   uint64              // the number of the Sync under way
	waiting bool                // one is
	since   time.Time           // when it was sent
	echoed  uint64              // the highest number echoed
	parked  []*lane             // whose first delivery waits for an echo
}

// choice is what becomes of a delivery that is next in its lane.
type choice uint8

const (
	send      choice = iota
	spare            // the comet has no link in that room
	undecided        // it is not known yet
)

// chooseLocked decides over a delivery, or sees to it that a Sync will.
func (o *outlet) chooseLocked(it item) choice {
	r := &o.rooms
	switch {
	case !r.known || it.Push.GetKind() != pushpb.Kind_KIND_ROOM || r.contains(it.Push.Room):
		return send
	case it.seq <= r.echoed:
		return spare
	case r.want < it.seq:
		r.want = it.seq
		signal(o.wake)
	}
	return undecided
}

// contains may also be true for a room of the same hash: a needless record. If
// of two such rooms one ends while the other lives, it takes it along; at 1,000
// rooms ending a second among a million that is to be expected once in 600
// years, and the seed is nobody's to choose. A hash takes 27 to 38 bytes where a
// name takes 64 to 80, and the collector does not look at it.
func (r *rooms) contains(name string) bool {
	_, ok := r.has[maphash.String(r.seed, name)]
	return ok
}

// parkLocked puts a lane aside until something has been heard of the rooms.
func (o *outlet) parkLocked(l *lane) {
	if !l.parked {
		l.parked = true
		o.rooms.parked = append(o.rooms.parked, l)
	}
}

// unparkLocked lets the lanes that were put aside look again.
func (o *outlet) unparkLocked() {
	for _, l := range o.rooms.parked {
		l.parked = false
		o.readyLocked(l)
	}
	o.rooms.parked = nil
	signal(o.wake)
}

// knowLocked begins anew with a stream.
func (o *outlet) knowLocked(stream bool) {
	o.unparkLocked()
	o.rooms = rooms{due: stream, seed: maphash.MakeSeed()}
}

// syncLocked is the Sync to send now; nil for none.
func (o *outlet) syncLocked() *cometpb.ToComet {
	r := &o.rooms
	if r.waiting || !r.due && r.want <= r.echoed {
		return nil
	}
	r.due, r.waiting, r.asked, r.since = false, true, o.seq, o.cfg.Now()
	return &cometpb.ToComet{Kind: &cometpb.ToComet_Sync{Sync: &cometpb.Sync{N: o.seq}}}
}

// changed takes what the comet tells of its rooms. It is called by the stream's
// receiver, like echo. Until echo makes it known nobody else looks into has, so
// a snapshot of a million rooms is taken without holding anybody up.
func (o *outlet) changed(c *cometpb.Rooms) {
	o.mu.Lock()
	r := &o.rooms
	if c.GetSnapshot() {
		r.has = make(map[uint64]struct{}, len(c.GetAdded()))
		// The echo of a Sync under way comes behind it; otherwise one is needed.
		r.begun, r.known, r.due = true, false, !r.waiting
		o.unparkLocked()
	}
	if r.known {
		defer o.mu.Unlock()
	} else {
		o.mu.Unlock()
	}
	if r.begun { // otherwise these are changes of nothing
		r.apply(c)
	}
}

func (r *rooms) apply(c *cometpb.Rooms) {
	for _, name := range c.GetRemoved() {
		delete(r.has, maphash.String(r.seed, name))
	}
	for _, name := range c.GetAdded() {
		r.has[maphash.String(r.seed, name)] = struct{}{}
	}
}

// echo takes the comet's answer to the Sync under way: what it has told is
// complete, for all deliveries that were offered before that Sync.
func (o *outlet) echo(n uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := &o.rooms
	if !r.waiting || n != r.asked {
		return fmt.Errorf("%w: echo of Sync %d", errProtocol, n)
	}
	r.waiting, r.known, r.echoed = false, r.begun, n
	o.unparkLocked()
	return nil
}

// lateLocked gives up waiting for an echo that takes too long: until it comes,
// the comet gets everything.
func (o *outlet) lateLocked(now time.Time) {
	r := &o.rooms
	if r.known && r.waiting && now.Sub(r.since) > o.cfg.MaxEcho {
		r.known = false
		o.metrics.late.Inc()
		o.unparkLocked()
	}
}

// chosenLocked counts what became of the record of a room.
func (o *outlet) chosenLocked(d job.Delivery, c choice) {
	if d.Push.GetKind() == pushpb.Kind_KIND_ROOM {
		o.metrics.rooms[c].Inc()
	}
}
