package room

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller"
)

// maxCohorts bounds the cohorts of a room, since accepts are the clients' to
// choose. What does not fit shares the last one, which filters by member.
const maxCohorts = 16

// cohort is the members of a room that receive the same bytes.
type cohort struct {
	enc     Encoding
	set     SetID
	mixed   bool // members differ: filter by member, share nothing; none lags
	kept    bool // current is or was in the ring
	members []poller.ID
	todo    int    // members[:todo] have not been given current
	ready   int    // members[:ready] do not lag
	current *block // being written, number next-1; nil while todo is 0, and if mixed

	// The ring; empty while nobody lags.
	ring  []*block
	since []time.Time // when the block of the ring was sealed
	bytes int         // of the ring
	next  uint64      // number of the block to be sealed next; ring[i] is next-len(ring)+i
	total progress    // sealed so far

	// waiting is what of the room's queue the members want; meaningless
	// without members and in the mixed cohort.
	waiting ledger.Counts
}

// base is the number of the oldest block in the ring.
func (c *cohort) base() uint64 { return c.next - uint64(len(c.ring)) }

// progress is how far a cohort or a member has come: the messages of the blocks
// so far, and those that their gap markers tell of.
type progress struct {
	sent ledger.Counts
	lost ledger.Counts
}

// since is what lies between an earlier point and p: the messages, and what a
// member that did not get them is to be told.
func (p progress) since(earlier progress) (sent, gap ledger.Counts) {
	sent = p.sent.Minus(earlier.sent)
	gap = p.lost.Minus(earlier.lost)
	gap.Add(&sent, 1)
	return sent, gap
}

// oldest is what had been sealed before the oldest block.
func (c *cohort) oldest() progress {
	if len(c.ring) == 0 {
		return c.total
	}
	return c.ring[0].first
}

// fit returns the index of the cohort for enc and set: the same one, an empty
// one made over, a new one, or the mixed one.
func (cr *crowd) fit(enc Encoding, set SetID) int {
	empty := -1
	for i, c := range cr.cohorts {
		if !c.mixed && c.enc == enc && c.set == set {
			return i
		}
		if !c.mixed && len(c.members) == 0 {
			empty = i
		}
	}
	switch n := len(cr.cohorts); {
	case empty >= 0:
		*cr.cohorts[empty] = cohort{enc: enc, set: set, members: cr.cohorts[empty].members}
		return empty
	case n < maxCohorts:
		cr.cohorts = append(cr.cohorts, &cohort{enc: enc, set: set})
		return n
	case n == maxCohorts:
		cr.cohorts = append(cr.cohorts, &cohort{mixed: true})
	}
	return maxCohorts
}

// enter puts id into the cohort that fits m, up to date.
func (t *Table) enter(r *room, m *member, id poller.ID) {
	i := r.crowd.fit(m.enc, m.set)
	c := r.crowd.cohorts[i]
	m.cohort, m.lagging = uint8(i), false
	if len(c.members) == 0 && !c.mixed {
		c.waiting = r.queue.wanted(t.sets.At(c.set))
	}
	c.members = append(c.members, id)
	m.pos = uint32(len(c.members) - 1)
	t.swap(c, m.pos, uint32(c.ready))
	c.ready++
}

// owed is what a member that goes out of its cohort had still to get.
type owed struct {
	rest   []byte        // of the block that it has begun
	begun  []*Msg        // in that block
	missed ledger.Counts // messages that it will not be given
	gap    ledger.Counts // what it would have to be told of those
}

// exit takes id out of its cohort. What waits for a flush is not owed.
func (t *Table) exit(r *room, m *member, id poller.ID, why ledger.Outcome) (o owed) {
	if r.crowd == nil {
		t.exitFew(r, id)
		return o
	}
	c := r.crowd.cohorts[m.cohort]
	switch {
	case m.lagging:
		o = t.settle(c, id)
	default:
		if int(m.pos) < c.todo {
			o.missed = t.pass(r, c, m, why)
		}
		c.ready--
		t.swap(c, m.pos, uint32(c.ready))
	}
	last := uint32(len(c.members) - 1)
	t.swap(c, m.pos, last)
	c.members = c.members[:last]
	t.over(c)
	t.shrink(c)
	return o
}

func (t *Table) exitFew(r *room, id poller.ID) {
	for i, one := range r.few[:r.members] {
		if one == id {
			r.few[i] = r.few[r.members-1]
			r.few[r.members-1] = poller.ID{}
		}
	}
}

// pass lets a due member be due no more, without the block of the flush under
// way, and returns what it misses.
func (t *Table) pass(r *room, c *cohort, m *member, why ledger.Outcome) (missed ledger.Counts) {
	if c.mixed {
		missed = r.crowd.sealed.wanted(t.sets.At(m.set))
	} else {
		missed = c.current.counts
		c.current.settle(why, 1)
	}
	t.notDue(c, m)
	return missed
}

// notDue moves a due member out of the due ones.
func (t *Table) notDue(c *cohort, m *member) {
	c.todo--
	t.swap(c, m.pos, uint32(c.todo))
}

// over ends the flush of a cohort whose members are all served.
func (t *Table) over(c *cohort) {
	if c.todo == 0 && c.current != nil {
		b := c.current
		c.current = nil
		t.pool.release(b)
	}
}

// waitingFor is what waits in the queue for a member.
func (t *Table) waitingFor(r *room, m *member) ledger.Counts {
	if r.crowd != nil {
		if c := r.crowd.cohorts[m.cohort]; !c.mixed {
			return c.waiting
		}
	}
	return r.queue.wanted(t.sets.At(m.set))
}

// await counts m in (1) or out (-1) at the cohorts that it waits for, and
// returns how many members want it if it goes out.
func (t *Table) await(r *room, m *Msg, n int) (members int) {
	if r.crowd == nil {
		return t.wanting(r.few[:r.members], m.Op)
	}
	for _, c := range r.crowd.cohorts {
		switch {
		case len(c.members) == 0:
		case !c.mixed && t.sets.At(c.set).Wants(m.Op):
			c.waiting[m.Lane] += uint64(n)
			members += len(c.members)
		case c.mixed && n < 0:
			members += t.wanting(c.members, m.Op)
		}
	}
	return members
}

// wanting is how many of ids want op.
func (t *Table) wanting(ids []poller.ID, op uint32) (n int) {
	for _, id := range ids {
		if t.sets.At(t.members.At(id.Slot).set).Wants(op) {
			n++
		}
	}
	return n
}

// swap exchanges two members of a cohort.
func (t *Table) swap(c *cohort, i, j uint32) {
	if i == j {
		return
	}
	c.members[i], c.members[j] = c.members[j], c.members[i]
	t.members.At(c.members[i].Slot).pos = i
	t.members.At(c.members[j].Slot).pos = j
}

// shrink gives memory back that nobody needs any more: the ring when no member
// lags, and the array when three quarters of it are empty.
func (t *Table) shrink(c *cohort) {
	if c.ready == len(c.members) {
		for len(c.ring) > 0 {
			t.forget(c)
		}
		c.ring, c.since, c.kept = nil, nil, false
	}
	if n := cap(c.members); n > 64 && len(c.members) < n/4 {
		c.members = append(make([]poller.ID, 0, n/2), c.members...)
	}
}

// keep puts the block of the flush under way into the ring, unless it is or was
// there.
func (t *Table) keep(c *cohort) {
	b := c.current
	if b == nil || c.kept {
		return
	}
	c.kept = true
	b.refs++
	now := t.now()
	c.ring, c.since = append(c.ring, b), append(c.since, now)
	c.bytes += len(b.buf)
	t.ringed += len(b.buf)
	for len(c.ring) > 0 && (c.bytes > t.lim.Ring || t.ringed > t.lim.Rings || now.Sub(c.since[0]) > t.lim.Age) {
		t.forget(c)
	}
}

// forget drops the oldest block of the ring.
func (t *Table) forget(c *cohort) {
	b := c.ring[0]
	c.bytes -= len(b.buf)
	t.ringed -= len(b.buf)
	c.ring[0] = nil
	c.ring, c.since = c.ring[1:], c.since[1:]
	t.pool.release(b)
}
