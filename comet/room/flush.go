package room

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller"
)

const (
	// slice is how long one turn of the loop flushes rooms that have not begun,
	// and how long those that have.
	slice = 500 * time.Microsecond
	// chunk is how many writes lie between two looks at the clock: two thirds
	// of a slice at 5.6 µs a send, and enough at once for an engine that submits
	// them together.
	chunk = 64
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
	t.delivered(b, delivered, t.now())
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
		t.delivered(b, 1, t.now())
	default:
		t.stall(c, id, b, n)
		return
	}
	t.notDue(c, m)
	t.over(c)
}
