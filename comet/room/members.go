package room

import (
	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

// In returns the room that the link is in; "" for none.
func (t *Table) In(id poller.ID) ident.Room {
	if m := t.member(id.Slot); m != nil {
		return t.rooms[m.room-1].name
	}
	return ""
}

// member returns where a slot stands, nil if in no room.
func (t *Table) member(slot uint32) *member {
	if slot >= t.members.Len() {
		return nil
	}
	if m := t.members.At(slot); m.room != 0 {
		return m
	}
	return nil
}

// Join makes id a member; it must be in no room. With upToDate false the link
// has bytes of its own to send first: it is served by CatchUp.
func (t *Table) Join(id poller.ID, name ident.Room, enc Encoding, set SetID, upToDate bool) {
	index, ok := t.byName[name]
	if !ok {
		index = t.open(name)
	}
	t.members.Grow(id.Slot)
	m := t.members.At(id.Slot)
	*m = member{room: index + 1, set: set, enc: enc}
	r := t.rooms[index]
	if r.crowd == nil && r.members < few {
		r.few[r.members] = id
		r.members++
		return
	}
	if r.crowd == nil {
		t.gather(r)
	}
	r.members++
	t.enter(r, m, id)
	if !upToDate {
		t.Hold(id)
	}
}

func (t *Table) open(name ident.Room) uint32 {
	index := uint32(len(t.rooms))
	if n := len(t.free); n > 0 {
		index = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.rooms = append(t.rooms, nil)
	}
	t.rooms[index] = &room{name: name}
	t.byName[name] = index
	return index
}

// gather makes a crowd of the few. It stays one until it is empty.
func (t *Table) gather(r *room) {
	r.crowd = &crowd{budget: t.lim.Pending}
	t.keepLedger(r)
	for _, id := range r.few[:r.members] {
		t.enter(r, t.members.At(id.Slot), id)
		if t.owner.Busy(id) {
			t.Hold(id)
		}
	}
	r.few = [few]poller.ID{}
}

// Leave takes id out of its room; why counts what it was still owed. If the
// link stopped in the middle of a block, rest is what must be sent to it before
// anything else, and begun are the messages in that block, which the caller
// counts. Leaving no room is no error: membership has one owner, here.
func (t *Table) Leave(id poller.ID, why ledger.Outcome) (rest []byte, begun []*Msg) {
	m := t.member(id.Slot)
	if m == nil {
		return nil, nil
	}
	r := t.rooms[m.room-1]
	waiting := t.waitingFor(r, m)
	t.ends(r, why, &waiting, 1)
	o := t.exit(r, m, id, why)
	t.ends(r, why, &o.missed, 1)
	t.handed(r, o.begun)
	if r.members--; r.members == 0 {
		t.drop(r, m.room-1)
	}
	*m = member{}
	return o.rest, o.begun
}

func (t *Table) drop(r *room, index uint32) {
	delete(t.byName, r.name)
	t.rooms[index] = nil
	t.free = append(t.free, index)
	if r.ledger != nil {
		t.ledgers--
	}
	if q := r.queue; q != nil {
		t.waiting -= q.bytes
		t.dropQueue(q)
		r.queue = nil
	}
	if cr := r.crowd; cr != nil && cr.sealed != nil {
		t.dropQueue(cr.sealed)
		cr.sealed = nil
	}
}

// Change gives a member another set of accepts; rest and begun as in Leave. It
// holds for what waits as well: nothing has to be flushed for it. A member that
// the flush under way has not come to gets its block first. missed is what a
// member that lagged loses; it has not been told of that.
func (t *Table) Change(id poller.ID, set SetID, upToDate bool) (rest []byte, begun []*Msg, gap ledger.Counts) {
	m := t.member(id.Slot)
	if m == nil || m.set == set {
		return nil, nil, gap
	}
	r := t.rooms[m.room-1]
	t.disclaim(r, m.set, set)
	if r.crowd == nil {
		m.set = set
		return nil, nil, gap
	}
	t.serveNow(r, m, id)
	o := t.exit(r, m, id, ledger.Left)
	t.ends(r, ledger.Left, &o.missed, 1)
	t.handed(r, o.begun)
	m.set = set
	t.enter(r, m, id)
	if !upToDate || len(o.rest) > 0 || o.gap.Total() > 0 {
		t.Hold(id)
	}
	return o.rest, o.begun, o.gap
}

// disclaim counts what waits and was wanted by the old set only.
func (t *Table) disclaim(r *room, old, next SetID) {
	if r.queue == nil {
		return
	}
	had, has := t.sets.At(old), t.sets.At(next)
	for _, m := range r.queue.msgs {
		if m != nil && had.Wants(m.Op) && !has.Wants(m.Op) {
			t.end(r, ledger.Left, m.Lane, 1)
		}
	}
}
