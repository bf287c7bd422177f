package room

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

// seal begins a flush: what waits becomes a block a cohort.
func (t *Table) seal(r *room, now time.Time) {
	t.expire(r, now.UnixMicro())
	cr, q := r.crowd, r.queue
	r.queue = nil
	t.waiting -= q.bytes
	cr.sealed, cr.at, cr.began, cr.spent = q, 0, now, 0
	for _, c := range cr.cohorts {
		c.waiting = ledger.Counts{}
		switch {
		case len(c.members) == 0:
		case c.mixed:
			c.todo = len(c.members)
		default:
			t.sealFor(r.name, c, q)
		}
	}
}

// sealFor makes the block of what c wants of q, if anything.
func (t *Table) sealFor(name ident.Room, c *cohort, q *queue) {
	wants := t.sets.At(c.set)
	b := t.pool.take()
	b.msgs = q.pick(b.msgs, wants)
	if len(q.lost) > 0 && wants.tells() {
		b.lost = q.lostTo(wants)
	}
	switch told := b.lost.Total() > 0; {
	case len(b.msgs) == 0 && !told:
		t.pool.release(b)
		return
	case c.enc == TCP && len(b.msgs) == 1 && !told:
		b.buf = b.msgs[0].Frame
	default:
		b.own = AppendGaps(b.own, name, c.enc, &b.lost)
		b.own = AppendBlock(b.own, c.enc, b.msgs, t.lim.Batch)
		b.buf = b.own
	}
	for _, m := range b.msgs {
		b.counts[m.Lane]++
	}
	b.first, b.owed = c.total, len(c.members)
	c.total = b.upTo()
	c.next++
	c.current, c.todo, c.kept = b, c.ready, false
	t.stats.Blocks++
	if c.ready < len(c.members) {
		t.keep(c)
	}
	t.over(c)
}

// flushFew hands what waits to the owner.
func (t *Table) flushFew(r *room, now time.Time) {
	t.expire(r, now.UnixMicro())
	q := r.queue
	r.queue = nil
	t.waiting -= q.bytes
	for _, id := range r.few[:r.members] {
		t.direct(r, q, id)
	}
	t.dropQueue(q)
}

// direct hands one member what it wants of q, and what it lost.
func (t *Table) direct(r *room, q *queue, id poller.ID) {
	wants := t.sets.At(t.members.At(id.Slot).set)
	t.picked = q.pick(t.picked[:0], wants)
	t.gaps = ledger.Counts{}
	if len(q.lost) > 0 && wants.tells() {
		t.gaps = q.lostTo(wants)
	}
	if len(t.picked) > 0 || t.gaps.Total() > 0 {
		t.handed(r, t.picked)
		t.owner.Direct(id, r.name, &t.gaps, t.picked)
	}
	clear(t.picked)
}
