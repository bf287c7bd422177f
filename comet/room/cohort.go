package room

import "github.com/oortim/oort/poller"

// cohort is the members of a room that receive the same bytes.
type cohort struct {
	enc     Encoding
	set     SetID
	mixed   bool // members differ: filter by member, share nothing
	members []poller.ID
	ready   int // members[:ready] are up to date

	// The ring; empty while nobody lags.
	ring  []*block
	bytes int    // of the ring
	next  uint64 // number of the block to be sealed next; ring[i] is next-len(ring)+i
	total uint64 // messages sealed so far

	// waiting is how many of the room's pending messages the members want;
	// meaningless without members and in the mixed cohort.
	waiting int
}

// base is the number of the oldest block in the ring.
func (c *cohort) base() uint64 { return c.next - uint64(len(c.ring)) }

// oldest is how many messages had been sealed before the oldest block.
func (c *cohort) oldest() uint64 {
	if len(c.ring) == 0 {
		return c.total
	}
	return c.ring[0].first
}

// fit returns the index of the cohort for enc and set: the same one, an empty
// one made over, a new one, or the mixed one.
func (r *room) fit(enc Encoding, set SetID) int {
	empty := -1
	for i, c := range r.cohorts {
		if !c.mixed && c.enc == enc && c.set == set {
			return i
		}
		if !c.mixed && len(c.members) == 0 {
			empty = i
		}
	}
	switch n := len(r.cohorts); {
	case empty >= 0:
		*r.cohorts[empty] = cohort{enc: enc, set: set, members: r.cohorts[empty].members}
		return empty
	case n < maxCohorts:
		r.cohorts = append(r.cohorts, &cohort{enc: enc, set: set})
		return n
	case n == maxCohorts:
		r.cohorts = append(r.cohorts, &cohort{mixed: true})
	}
	return maxCohorts
}

// enter puts id into the cohort that fits m, up to date.
func (t *Table) enter(r *room, m *member, id poller.ID) {
	i := r.fit(m.enc, m.set)
	c := r.cohorts[i]
	m.cohort, m.lagging = uint8(i), false
	if len(c.members) == 0 && !c.mixed {
		c.waiting = r.wanted(t.sets.At(c.set))
	}
	c.members = append(c.members, id)
	m.pos = uint32(len(c.members) - 1)
	t.swap(c, m.pos, uint32(c.ready))
	c.ready++
}

// owed is what a member that goes out of its cohort had still to get.
type owed struct {
	rest   []byte // of the block that it has begun
	begun  int    // messages in that block
	missed uint64 // messages that it will not be given
}

// exit takes id out of its cohort. What waits for a flush is not owed.
func (t *Table) exit(r *room, m *member, id poller.ID) (o owed) {
	c := r.cohorts[m.cohort]
	if m.lagging {
		o = t.settle(c, id)
	} else {
		c.ready--
		t.swap(c, m.pos, uint32(c.ready))
	}
	last := uint32(len(c.members) - 1)
	t.swap(c, m.pos, last)
	c.members = c.members[:last]
	t.shrink(c)
	return o
}

// waitingFor is how many pending messages a member would have been given.
func (t *Table) waitingFor(r *room, m *member) int {
	if c := r.cohorts[m.cohort]; !c.mixed {
		return c.waiting
	}
	return r.wanted(t.sets.At(m.set))
}

// audience is how many members want op.
func (t *Table) audience(c *cohort, op uint32) (n int) {
	if !c.mixed {
		if t.sets.At(c.set).Wants(op) {
			return len(c.members)
		}
		return 0
	}
	for _, id := range c.members {
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
		c.ring = nil
	}
	if n := cap(c.members); n > 64 && len(c.members) < n/4 {
		c.members = append(make([]poller.ID, 0, n/2), c.members...)
	}
}

// send seals msgs for c and writes the block to everyone who is up to date.
func (t *Table) send(c *cohort, msgs []*Msg) {
	if c.mixed {
		t.sendMixed(c, msgs)
		return
	}
	b := t.seal(c, msgs)
	if b == nil {
		return
	}
	kept := c.ready < len(c.members)
	if kept {
		t.keep(c, b)
	}
	c.next++
	t.writeReady(c, b)
	if !kept && c.ready < len(c.members) {
		t.keep(c, b)
	}
	t.pool.release(b)
}

// seal makes the block of those of msgs that c wants; nil if none.
func (t *Table) seal(c *cohort, msgs []*Msg) *block {
	wants := t.sets.At(c.set)
	picked := t.picked[:0]
	for _, m := range msgs {
		if wants.Wants(m.Op) {
			picked = append(picked, m)
		}
	}
	t.picked = picked
	defer clear(picked)
	if len(picked) == 0 {
		return nil
	}
	b := t.pool.take()
	if c.enc == TCP && len(picked) == 1 {
		b.buf = picked[0].Frame
	} else {
		b.own = appendBlock(b.own, c.enc, picked, t.lim.Batch)
		b.buf = b.own
	}
	b.count, b.first = len(picked), c.total
	c.total += uint64(b.count)
	t.stats.Blocks++
	return b
}

// writeReady writes b, block number c.next-1, to members[:ready]. It goes from
// the end to the front: a member that is short changes places with the last
// that is ready, which has had its turn.
func (t *Table) writeReady(c *cohort, b *block) {
	for hi := c.ready; hi > 0; {
		lo := max(0, hi-len(t.taken))
		ids := c.members[lo:hi]
		t.w.WriteEach(ids, b.buf, t.taken)
		t.stats.Writes += uint64(len(ids))
		for i := len(ids) - 1; i >= 0; i-- {
			switch n := int(t.taken[i]); {
			case n == len(b.buf):
				t.stats.Delivered += uint64(b.count)
			case n < 0:
				t.stats.Closed += uint64(b.count)
			default:
				t.stall(c, ids[i], b, n)
			}
		}
		hi = lo
	}
}

// keep puts b, block number c.next, into the ring.
func (t *Table) keep(c *cohort, b *block) {
	b.refs++
	c.ring = append(c.ring, b)
	c.bytes += len(b.buf)
	t.ringed += len(b.buf)
	for len(c.ring) > 0 && (c.bytes > t.lim.Ring || t.ringed > t.lim.Rings) {
		t.forget(c)
	}
}

// forget drops the oldest block of the ring.
func (t *Table) forget(c *cohort) {
	b := c.ring[0]
	c.bytes -= len(b.buf)
	t.ringed -= len(b.buf)
	c.ring[0] = nil
	c.ring = c.ring[1:]
	t.pool.release(b)
}

// sendMixed serves the members one by one. It goes from the end to the front,
// since a member whose socket is full is held meanwhile, and changes places
// with one that has had its turn.
func (t *Table) sendMixed(c *cohort, msgs []*Msg) {
	for i := len(c.members) - 1; i >= 0; i-- {
		id := c.members[i]
		wants := t.sets.At(t.members.At(id.Slot).set)
		for _, m := range msgs {
			if wants.Wants(m.Op) {
				t.owner.Direct(id, m)
			}
		}
	}
}
