package comet

import (
	"slices"

	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/ws"
)

// outbox holds what waits for one link outside its room: replies and direct
// pushes. It exists only while something waits.
//
// A link has two sources of bytes, outbox and room. Order between them matters
// only inside a frame: whoever has begun one finishes it first. The room's
// table knows whether a block is begun (MidBlock); otherwise the outbox goes
// first, and while it holds something the room's blocks wait (Hold).
type outbox struct {
	buf  []byte
	off  int   // bytes of buf that are sent
	ends []int // where in buf a push ends, for the count

	missed uint64 // direct pushes that found it full, to be told when it is empty
}

const (
	spareOutboxes = 256
	spareBytes    = 16 << 10
)

// reply sends one frame of the protocol's own to r.
func (b *bucket) reply(r *record, f []byte) {
	b.buf = room.AppendFrame(b.buf[:0], r.enc, f)
	if !b.send(r, b.buf, false) {
		b.end(r, ReasonSlow)
	}
}

// Direct sends one push to a link alone. room.Owner.
func (b *bucket) Direct(id poller.ID, m *room.Msg) {
	if r := b.at(id); r != nil {
		b.direct(r, m)
	}
}

func (b *bucket) direct(r *record, m *room.Msg) {
	b.buf = room.AppendFrame(b.buf[:0], r.enc, m.Frame)
	if !b.send(r, b.buf, true) {
		b.m.dropped[dropFull].Add(1)
		b.outs[r.id.Slot].missed++
	}
}

// tellGap tells a link, if it wants to know, that it missed messages of a room,
// or direct ones where name is empty.
func (b *bucket) tellGap(r *record, name ident.Room, missed uint64) {
	if b.sets.At(r.set).Wants(uint32(frame.OpGap)) {
		b.insist(r, room.GapMarker(name, r.enc, missed))
	}
}

// insist is send for what is small and comes once: the limit does not apply.
func (b *bucket) insist(r *record, wire []byte) {
	if r.stalled || r.hasOut {
		b.queue(r, wire, false)
		return
	}
	b.send(r, wire, false)
}

// Stalled starts the write deadline. room.Owner.
func (b *bucket) Stalled(id poller.ID) {
	if r := b.at(id); r != nil {
		b.stall(r)
	}
}

func (b *bucket) stall(r *record) {
	if r.stalled {
		return
	}
	r.stalled, r.stuck = true, b.tick()
	if r.state != leaving {
		b.rearm(r)
	}
}

// send writes bytes of whole frames to r, or queues them; false if the outbox
// is full, and then nothing of them is sent.
func (b *bucket) send(r *record, wire []byte, push bool) bool {
	if r.stalled || r.hasOut {
		return b.enqueue(r, wire, push)
	}
	n, err := b.loop.Write(r.id, wire)
	switch {
	case err != nil:
		b.count(push, dropClosed)
	case n == len(wire):
		b.count(push, delivered)
	default:
		b.queue(r, wire[n:], push)
	}
	return true
}

// count counts the end of one direct push.
func (b *bucket) count(push bool, how drop) {
	if push {
		b.m.dropped[how].Add(1)
	}
}

func (b *bucket) enqueue(r *record, wire []byte, push bool) bool {
	if o := b.outs[r.id.Slot]; o != nil && len(o.buf)-o.off+len(wire) > b.s.cfg.Limits.Outbox {
		return false
	}
	b.queue(r, wire, push)
	return true
}

// queue appends to the outbox; the room waits until it is empty.
func (b *bucket) queue(r *record, wire []byte, push bool) {
	o := b.open(r)
	o.compact()
	o.buf = append(o.buf, wire...)
	if push {
		o.ends = append(o.ends, len(o.buf))
	}
	b.stall(r)
}

// compact drops what was sent when it is the larger part, so that an outbox
// that is never quite empty does not grow.
func (o *outbox) compact() {
	if o.off <= len(o.buf)/2 {
		return
	}
	o.buf = o.buf[:copy(o.buf, o.buf[o.off:])]
	for i := range o.ends {
		o.ends[i] -= o.off
	}
	o.off = 0
}

// prepend puts the rest of a begun block, with so many messages, in front of
// everything. Nothing of the outbox has been begun then.
func (b *bucket) prepend(r *record, rest []byte, messages int) {
	if len(rest) == 0 {
		return
	}
	o := b.open(r)
	o.buf = slices.Insert(o.buf, o.off, rest...)
	for i := range o.ends {
		o.ends[i] += len(rest)
	}
	o.ends = slices.Insert(o.ends, 0, slices.Repeat([]int{o.off + len(rest)}, messages)...)
}

func (b *bucket) open(r *record) *outbox {
	o := b.outs[r.id.Slot]
	if o != nil {
		return o
	}
	if n := len(b.spare); n > 0 {
		o, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		o = &outbox{}
	}
	b.outs[r.id.Slot] = o
	r.hasOut = true
	b.rooms.Hold(r.id)
	return o
}

// dropOutbox ends the outbox; pushes that are still in it were not sent.
func (b *bucket) dropOutbox(r *record) {
	o := b.outs[r.id.Slot]
	if o == nil {
		return
	}
	b.m.dropped[dropClosed].Add(uint64(len(o.ends)))
	delete(b.outs, r.id.Slot)
	r.hasOut = false
	if cap(o.buf) <= spareBytes && len(b.spare) < spareOutboxes {
		*o = outbox{buf: o.buf[:0], ends: o.ends[:0]}
		b.spare = append(b.spare, o)
	}
}

// OnWritable goes on where the socket was full: the begun block, the outbox,
// the room.
func (b *bucket) OnWritable(id poller.ID) {
	r := b.at(id)
	if r == nil {
		return
	}
	r.stuck = b.tick()
	if done, err := b.rooms.FinishBlock(id); !done || err != nil {
		return
	}
	if !b.drain(r) {
		return
	}
	if r.state == leaving {
		b.finish(r)
		return
	}
	if upToDate, err := b.rooms.CatchUp(id); err == nil && upToDate {
		r.stalled = false
	}
}

// drain writes the outbox and reports whether it is empty.
func (b *bucket) drain(r *record) bool {
	for o := b.outs[r.id.Slot]; o != nil; o = b.outs[r.id.Slot] {
		if !b.drainOnce(r, o) {
			return false
		}
		missed := o.missed
		b.dropOutbox(r)
		if missed > 0 && r.state == live {
			b.tellGap(r, "", missed)
		}
	}
	return true
}

// drainOnce writes what the outbox holds and reports whether that was all.
func (b *bucket) drainOnce(r *record, o *outbox) bool {
	n, err := b.loop.Write(r.id, o.buf[o.off:])
	if err != nil {
		return false
	}
	o.off += n
	sent := 0
	for sent < len(o.ends) && o.ends[sent] <= o.off {
		sent++
	}
	b.m.dropped[delivered].Add(uint64(sent))
	o.ends = append(o.ends[:0], o.ends[sent:]...)
	return o.off == len(o.buf)
}

// farewell sends op 6 and, on WebSocket, the close frame.
func (b *bucket) farewell(r *record, why Reason, code uint16, retryMS int) {
	notice := why.appendNotice(nil, retryMS)
	var wire []byte
	switch {
	case r.dec.Spoke() && r.enc == room.WebSocket:
		if len(notice) > 0 {
			wire = room.AppendFrame(wire, room.WebSocket, notice)
		}
		if code != 0 {
			wire = ws.AppendClose(wire, code, why.String())
		}
	case r.dec.Spoke():
		wire = notice
	}
	if len(wire) > 0 {
		b.insist(r, wire)
	}
}
