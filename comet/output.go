package comet

import (
	"slices"
	"time"

	"github.com/oortim/oort/comet/ledger"
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
	ends []end // where in buf pushes end, in order

	// Pushes that found it full, to be told when it is empty.
	missed     ledger.Counts // direct ones
	roomMissed ledger.Counts // of the room that the link is in
}

// end is where in an outbox a push ends.
type end struct {
	at  int
	msg *room.Msg
}

const (
	spareOutboxes = 256
	spareBytes    = 16 << 10
)

// reply sends one frame of the protocol's own to r.
func (b *bucket) reply(r *record, f []byte) {
	b.buf = room.AppendFrame(b.buf[:0], r.enc, f)
	if !b.send(r, b.buf) {
		b.end(r, ReasonSlow)
	}
}

// Busy is of room.Owner.
func (b *bucket) Busy(id poller.ID) bool {
	r := b.at(id)
	return r != nil && !b.upToDate(r)
}

// Direct sends messages of a room to a link alone, in one write where its socket
// takes it. room.Owner.
func (b *bucket) Direct(id poller.ID, name ident.Room, lost *ledger.Counts, msgs []*room.Msg) {
	r := b.at(id)
	if lost.Total() > 0 {
		b.insist(r, room.AppendGaps(nil, name, r.enc, lost))
	}
	if len(msgs) > 1 && b.upToDate(r) {
		b.buf = room.AppendBlock(b.buf[:0], r.enc, msgs, b.s.cfg.Limits.Room.Batch)
		b.send(r, b.buf, msgs...)
		if cap(b.buf) > spareBytes {
			b.buf = nil
		}
		return
	}
	for _, m := range msgs {
		if !b.sendOne(r, m) {
			b.open(r).roomMissed[m.Lane]++
		}
	}
}

// direct sends one push that is addressed to the link, or to all.
func (b *bucket) direct(r *record, m *room.Msg) {
	if !b.sendOne(r, m) {
		b.open(r).missed[m.Lane]++
	}
}

func (b *bucket) sendOne(r *record, m *room.Msg) bool {
	b.buf = room.AppendFrame(b.buf[:0], r.enc, m.Frame)
	b.one[0] = m
	if b.send(r, b.buf, b.one[:]...) {
		return true
	}
	b.ended(m, ledger.Full)
	return false
}

// ended counts the end of a push for one link.
func (b *bucket) ended(m *room.Msg, how ledger.Outcome) {
	b.m.ends[how][m.Lane].Add(1)
	switch {
	case m.Trace == nil && m.Watch == nil:
	case how == ledger.Delivered:
		m.Deliver(1, time.Now(), &b.took)
	default:
		m.End(how, 1)
	}
}

// tellGap tells a link, if it wants to know, that it missed messages of a room,
// or direct ones where name is empty.
func (b *bucket) tellGap(r *record, name ident.Room, missed *ledger.Counts) {
	if missed.Total() > 0 && b.sets.At(r.set).Wants(uint32(frame.OpGap)) {
		b.insist(r, room.AppendGaps(nil, name, r.enc, missed))
	}
}

// tellRoomGap tells a link what of its room its outbox had no place for.
func (b *bucket) tellRoomGap(r *record, name ident.Room) {
	if o := b.outs[r.id.Slot]; o != nil {
		missed := o.roomMissed
		o.roomMissed = ledger.Counts{}
		b.tellGap(r, name, &missed)
	}
}

// insist is send for what is small and comes once: the limit does not apply.
func (b *bucket) insist(r *record, wire []byte) {
	if r.stalled || r.hasOut {
		b.queue(r, wire)
		return
	}
	b.send(r, wire)
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

// send writes bytes of whole frames, which hold msgs, to r, or queues them;
// false if the outbox is full, and then nothing of them is sent.
func (b *bucket) send(r *record, wire []byte, msgs ...*room.Msg) bool {
	if r.stalled || r.hasOut {
		return b.enqueue(r, wire, msgs...)
	}
	if len(msgs) > 0 {
		b.m.writes.Add(1)
	}
	how := ledger.Delivered
	switch n, err := b.loop.Write(r.id, wire); {
	case err != nil:
		how = ledger.Closed
	case n < len(wire):
		b.queue(r, wire[n:], msgs...)
		return true
	}
	for _, m := range msgs {
		b.ended(m, how)
	}
	return true
}

func (b *bucket) enqueue(r *record, wire []byte, msgs ...*room.Msg) bool {
	o := b.outs[r.id.Slot]
	if b.boxed+len(wire) > b.s.cfg.Limits.Outboxes || o != nil && o.waiting()+len(wire) > b.s.cfg.Limits.Outbox {
		return false
	}
	b.queue(r, wire, msgs...)
	return true
}

// queue appends to the outbox; the room waits until it is empty.
func (b *bucket) queue(r *record, wire []byte, msgs ...*room.Msg) {
	o := b.open(r)
	o.compact()
	o.buf = append(o.buf, wire...)
	b.boxed += len(wire)
	for _, m := range msgs {
		o.ends = append(o.ends, end{len(o.buf), m})
	}
	b.stall(r)
}

// waiting is how many bytes are not sent.
func (o *outbox) waiting() int { return len(o.buf) - o.off }

// compact drops what was sent when it is the larger part, so that an outbox
// that is never quite empty does not grow.
func (o *outbox) compact() {
	if o.off <= len(o.buf)/2 {
		return
	}
	o.buf = o.buf[:copy(o.buf, o.buf[o.off:])]
	for i := range o.ends {
		o.ends[i].at -= o.off
	}
	o.off = 0
}

// prepend puts the rest of a begun block, which holds msgs, in front of
// everything. Nothing of the outbox has been begun then.
func (b *bucket) prepend(r *record, rest []byte, msgs []*room.Msg) {
	if len(rest) == 0 {
		return
	}
	o := b.open(r)
	o.buf = slices.Insert(o.buf, o.off, rest...)
	b.boxed += len(rest)
	for i := range o.ends {
		o.ends[i].at += len(rest)
	}
	o.ends = slices.Grow(o.ends, len(msgs))
	for i, m := range msgs {
		o.ends = slices.Insert(o.ends, i, end{o.off + len(rest), m})
	}
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
	b.boxed -= o.waiting()
	for _, e := range o.ends {
		b.ended(e.msg, ledger.Closed)
	}
	clear(o.ends)
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
		missed, roomMissed := o.missed, o.roomMissed
		b.dropOutbox(r)
		if r.state == live {
			b.tellGap(r, "", &missed)
			b.tellGap(r, b.rooms.In(r.id), &roomMissed)
		}
	}
	return true
}

// drainOnce writes what the outbox holds and reports whether that was all.
func (b *bucket) drainOnce(r *record, o *outbox) bool {
	if o.waiting() == 0 {
		return true // it holds only what is to be told
	}
	if len(o.ends) > 0 {
		b.m.writes.Add(1)
	}
	n, err := b.loop.Write(r.id, o.buf[o.off:])
	if err != nil {
		return false
	}
	o.off += n
	b.boxed -= n
	sent := 0
	for sent < len(o.ends) && o.ends[sent].at <= o.off {
		b.ended(o.ends[sent].msg, ledger.Delivered)
		sent++
	}
	o.ends = slices.Delete(o.ends, 0, sent)
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
