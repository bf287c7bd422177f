package room

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

const (
	// slice is how long one turn of the loop flushes rooms that have not begun,
	// and how long those that have.
	slice = 500 * time.Microsecond
	// chunk is how many writes lie between two looks at the clock: a third of a
	// slice at 5.6 µs a send.
	chunk = 32
	// share is what of its loop one room may take: it rests after a flush.
	share = 0.5
	// leastRest is what is worth a timer.
	leastRest = time.Millisecond
	// leastBudget is the least that may wait for a room whose flushes take too
	// long: below it a write costs what it costs, however short it is.
	leastBudget = 16 << 10
)

// crowd is what a room with many members has besides.
type crowd struct {
	cohorts []*cohort

	// The flush under way; sealed is nil between two.
	sealed *queue // what it sends
	at     int    // index of the cohort that it writes to
	began  time.Time
	spent  time.Duration // in its slices

	until  time.Time // the room rests until then
	budget int       // bytes that may wait
}

// most is how many bytes may wait for a room.
func (t *Table) most(r *room) int {
	if r.crowd == nil {
		return t.lim.Pending
	}
	return r.crowd.budget
}

// schedule lets a room with something in its queue be flushed: next, when its
// flush under way is over, or when it has rested.
func (t *Table) schedule(r *room) {
	if r.queued {
		return
	}
	r.queued = true
	if r.crowd != nil && !r.crowd.until.IsZero() {
		if t.now().Before(r.crowd.until) {
			t.rests = append(t.rests, r)
			return
		}
		r.crowd.until = time.Time{}
	}
	t.fresh.push(r)
}

// Flush seals and writes what waits in the rooms that do not rest, for a slice,
// and goes on with flushes that were begun, for another. It says how soon it
// wants to again: 0 for at once, negative for not before the next Push.
func (t *Table) Flush() (wait time.Duration) {
	if t.fresh.len()+t.begun.len()+len(t.rests) == 0 {
		return -1
	}
	now := t.now()
	wait = t.rested(now)
	now = t.serve(&t.fresh, now)
	if t.begun.len() > 0 {
		t.serve(&t.begun, now)
	}
	if t.fresh.len()+t.begun.len() > 0 {
		return 0
	}
	for _, r := range t.rests { // some have begun to rest
		wait = soonest(wait, r.crowd.until.Sub(now))
	}
	return wait
}

// rested lets go those that have rested, and says when the next will have.
func (t *Table) rested(now time.Time) (wait time.Duration) {
	wait = -1
	keep := t.rests[:0]
	for _, r := range t.rests {
		if left := r.crowd.until.Sub(now); left > 0 {
			keep = append(keep, r)
			wait = soonest(wait, left)
			continue
		}
		t.fresh.push(r)
	}
	clear(t.rests[len(keep):])
	t.rests = keep
	return wait
}

func soonest(a, b time.Duration) time.Duration {
	if a < 0 || b < a {
		return max(b, 0)
	}
	return a
}

// serve flushes rooms in line for a slice; a room that is not done lines up
// behind those that have begun.
func (t *Table) serve(line *fifo, now time.Time) time.Time {
	for end := now.Add(slice); line.len() > 0 && now.Before(end); now = t.now() {
		r := line.pop() // first, so that a panic comes once
		r.queued = false
		if !t.flush(r, now, end) {
			r.queued = true
			t.begun.push(r)
		}
	}
	return now
}

// flush begins the flush of a room, or goes on with it, and reports whether it
// is over.
func (t *Table) flush(r *room, now, end time.Time) (done bool) {
	if r.members == 0 {
		return true
	}
	cr := r.crowd
	if cr == nil {
		if r.queue != nil {
			t.flushFew(r, now)
		}
		return true
	}
	if cr.sealed == nil {
		if r.queue == nil {
			return true
		}
		t.seal(r, now)
	}
	done = t.write(r, end)
	after := t.now()
	cr.spent += after.Sub(now)
	if done {
		t.flushed(r, after)
	}
	return done
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

// write goes on with a flush until end, and reports whether it is over.
func (t *Table) write(r *room, end time.Time) (done bool) {
	cr := r.crowd
	for ; cr.at < len(cr.cohorts); cr.at++ {
		for c := cr.cohorts[cr.at]; c.todo > 0; {
			if c.mixed {
				t.writeMixed(r, c)
			} else {
				t.writeChunk(r, c)
			}
			if c.todo > 0 && !t.now().Before(end) {
				return false
			}
		}
	}
	return true
}

// writeChunk writes the block of the flush to the last of the due members. It
// goes from the end to the front: a member that is short changes places with
// one that has had its turn.
func (t *Table) writeChunk(r *room, c *cohort) {
	b, hi := c.current, c.todo
	lo := max(0, hi-chunk)
	ids := c.members[lo:hi]
	t.w.WriteEach(ids, b.buf, t.taken)
	t.stats.Writes += uint64(len(ids))
	delivered, closed := 0, 0
	for i := len(ids) - 1; i >= 0; i-- {
		switch n := int(t.taken[i]); {
		case n == len(b.buf):
			delivered++
			c.todo--
		case n < 0:
			closed++
			c.todo--
		default:
			t.stall(c, ids[i], b, n)
		}
	}
	t.ends(r, ledger.Delivered, &b.counts, uint64(delivered))
	b.delivered(delivered, t.now())
	if closed > 0 {
		t.ends(r, ledger.Closed, &b.counts, uint64(closed))
		b.settle(ledger.Closed, closed)
	}
	t.over(c)
}

// writeMixed serves the last of the due members one by one.
func (t *Table) writeMixed(r *room, c *cohort) {
	for range min(chunk, c.todo) {
		c.todo--
		t.direct(r, r.crowd.sealed, c.members[c.todo])
	}
}

// serveNow gives a due member the block of the flush under way.
func (t *Table) serveNow(r *room, m *member, id poller.ID) {
	c := r.crowd.cohorts[m.cohort]
	if m.lagging || int(m.pos) >= c.todo {
		return
	}
	if c.mixed {
		t.notDue(c, m)
		t.direct(r, r.crowd.sealed, id)
		return
	}
	b := c.current
	t.bufs = append(t.bufs[:0], b.buf)
	n, err := t.w.Writev(id, t.bufs)
	t.stats.Writes++
	switch {
	case err != nil:
		t.ends(r, ledger.Closed, &b.counts, 1)
		b.settle(ledger.Closed, 1)
	case n == len(b.buf):
		t.ends(r, ledger.Delivered, &b.counts, 1)
		b.delivered(1, t.now())
	default:
		t.stall(c, id, b, n)
		return
	}
	t.notDue(c, m)
	t.over(c)
}

// flushed ends a flush: how long the room rests now, and how much may wait for
// it meanwhile.
func (t *Table) flushed(r *room, now time.Time) {
	cr := r.crowd
	took, bytes := now.Sub(cr.began), cr.sealed.bytes
	t.dropQueue(cr.sealed)
	cr.sealed = nil
	rest := time.Duration(float64(cr.spent) * (1/share - 1))
	rest = min(rest, t.lim.MaxLatency-2*took)
	cr.until = time.Time{}
	if rest >= leastRest {
		cr.until = now.Add(rest)
	}
	cr.budget = t.budget(cr.budget, bytes, took)
	if r.queue != nil {
		t.schedule(r)
	}
}

// budget is how many bytes may wait after a flush of so many took so long: as
// many as half of MaxLatency has time for.
func (t *Table) budget(was, bytes int, took time.Duration) int {
	half := t.lim.MaxLatency / 2
	if took <= half {
		return min(t.lim.Pending, 2*was)
	}
	return min(was, max(leastBudget, int(float64(bytes)*float64(half)/float64(took))))
}

// fifo is a line of rooms.
type fifo struct {
	list []*room
	head int
}

func (f *fifo) len() int { return len(f.list) - f.head }

func (f *fifo) push(r *room) {
	if f.head > 32 && f.head > len(f.list)/2 {
		n := copy(f.list, f.list[f.head:])
		clear(f.list[n:])
		f.list, f.head = f.list[:n], 0
	}
	f.list = append(f.list, r)
}

func (f *fifo) pop() *room {
	r := f.list[f.head]
	f.list[f.head] = nil
	if f.head++; f.head == len(f.list) {
		f.list, f.head = f.list[:0], 0
	}
	return r
}
