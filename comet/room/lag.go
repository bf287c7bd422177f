package room

import (
	"slices"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller"
)

// lag is how far a member has come that is not up to date.
type lag struct {
	begun *block   // stopped in its middle (a reference); nil: between blocks
	off   int      // bytes of begun that the socket took
	next  uint64   // number of the block after begun
	given progress // of the cohort before block next
}

// catchUpBlocks is how many blocks one writev takes at most.
const catchUpBlocks = 16

// stall makes a ready member lag behind b, block number c.next-1, of which its
// socket took only so many bytes.
func (t *Table) stall(c *cohort, id poller.ID, b *block, taken int) {
	l := lag{next: c.next - 1, given: b.first}
	if taken > 0 {
		b.refs++
		l = lag{begun: b, off: taken, next: c.next, given: b.upTo()}
	}
	t.lagBehind(c, id, l)
	t.owner.Stalled(id)
}

func (t *Table) lagBehind(c *cohort, id poller.ID, l lag) {
	m := t.members.At(id.Slot)
	m.lagging = true
	if int(m.pos) < c.todo {
		t.keep(c)
		t.notDue(c, m)
	}
	c.ready--
	t.swap(c, m.pos, uint32(c.ready))
	t.lags[id.Slot] = t.takeLag(l)
}

// Hold says that the link has bytes of its own to send first. Until the owner
// calls CatchUp, what the room sends waits for it in the ring.
func (t *Table) Hold(id poller.ID) {
	m := t.member(id.Slot)
	if m == nil || m.lagging {
		return
	}
	cr := t.rooms[m.room-1].crowd
	if cr == nil || cr.cohorts[m.cohort].mixed {
		return // nothing comes to it but through the owner
	}
	c := cr.cohorts[m.cohort]
	l := lag{next: c.next, given: c.total}
	if int(m.pos) < c.todo {
		l = lag{next: c.next - 1, given: c.current.first}
	}
	t.lagBehind(c, id, l)
	t.over(c)
}

// MidBlock reports whether the link stopped in the middle of a block, so that
// nothing else may be written to it.
func (t *Table) MidBlock(id poller.ID) bool {
	l := t.lags[id.Slot]
	return l != nil && l.begun != nil
}

// FinishBlock goes on with the block that the link stopped in, and reports
// whether it is done.
func (t *Table) FinishBlock(id poller.ID) (done bool, err error) {
	l := t.lags[id.Slot]
	if l == nil || l.begun == nil {
		return true, nil
	}
	t.bufs = append(t.bufs[:0], l.begun.buf[l.off:])
	n, err := t.w.Writev(id, t.bufs)
	if err != nil {
		return false, err
	}
	if l.off += n; l.off < len(l.begun.buf) {
		return false, nil
	}
	t.finish(t.rooms[t.members.At(id.Slot).room-1], l)
	return true, nil
}

func (t *Table) finish(r *room, l *lag) {
	t.ends(r, ledger.Delivered, &l.begun.counts, 1)
	t.delivered(l.begun, 1, t.now())
	t.pool.release(l.begun)
	l.begun, l.off = nil, 0
}

// CatchUp gives a lagging member what it missed, as much as the socket takes,
// and reports whether it is up to date now. The link must have nothing of its
// own to send.
func (t *Table) CatchUp(id poller.ID) (upToDate bool, err error) {
	l := t.lags[id.Slot]
	if l == nil {
		return true, nil
	}
	m := t.members.At(id.Slot)
	r := t.rooms[m.room-1]
	c := r.crowd.cohorts[m.cohort]
	for {
		if l.begun == nil && l.next < c.base() {
			t.skip(r, c, m, l)
		}
		if l.begun == nil && l.next == c.next {
			t.caughtUp(c, m, id)
			return true, nil
		}
		full, err := t.catchUp(r, c, id, l)
		if err != nil || full {
			return false, err
		}
	}
}

// catchUp hands the socket the begun block and those that follow.
func (t *Table) catchUp(r *room, c *cohort, id poller.ID, l *lag) (full bool, err error) {
	bufs := t.bufs[:0]
	if l.begun != nil {
		bufs = append(bufs, l.begun.buf[l.off:])
	}
	if first := l.next - c.base(); l.next >= c.base() {
		for _, b := range c.ring[first:min(uint64(len(c.ring)), first+catchUpBlocks)] {
			bufs = append(bufs, b.buf)
		}
	}
	t.bufs = bufs
	n, err := t.w.Writev(id, bufs)
	if err != nil {
		return false, err
	}
	t.stats.Writes++
	for _, buf := range bufs {
		if l.begun == nil {
			l.begin(c)
		}
		if n < len(buf) {
			l.off += n
			if l.off == 0 {
				l.unbegin(t)
			}
			return true, nil
		}
		n -= len(buf)
		t.finish(r, l)
	}
	return false, nil
}

// begin steps into block number next.
func (l *lag) begin(c *cohort) {
	b := c.ring[l.next-c.base()]
	b.refs++
	l.begun, l.off = b, 0
	l.next++
	l.given = b.upTo()
}

// unbegin steps back: the socket took nothing of the block. A gap marker stays
// begun, since it lies in no ring.
func (l *lag) unbegin(t *Table) {
	if l.begun.marker {
		return
	}
	l.given = l.begun.first
	l.next--
	t.pool.release(l.begun)
	l.begun = nil
}

// skip moves a member that fell off the ring to its oldest block, and tells it
// what it missed, if it wants to know.
func (t *Table) skip(r *room, c *cohort, m *member, l *lag) {
	missed, gap := c.oldest().since(l.given)
	t.ends(r, ledger.Slow, &missed, 1)
	l.next, l.given = c.base(), c.oldest()
	if gap.Total() > 0 && t.sets.At(m.set).tells() {
		l.begun = &block{buf: AppendGaps(nil, r.name, m.enc, &gap), refs: 1, first: l.given, marker: true}
	}
}

// caughtUp makes a lagging member ready.
func (t *Table) caughtUp(c *cohort, m *member, id poller.ID) {
	t.dropLag(id)
	m.lagging = false
	t.swap(c, m.pos, uint32(c.ready))
	c.ready++
	t.shrink(c)
}

// settle ends the lag of a member that goes out of its cohort.
func (t *Table) settle(c *cohort, id poller.ID) owed {
	l := t.lags[id.Slot]
	var o owed
	o.missed, o.gap = c.total.since(l.given)
	if l.begun != nil {
		o.rest = slices.Clone(l.begun.buf[l.off:])
		o.begun = slices.Clone(l.begun.msgs)
		l.begun.owed-- // the caller counts it
		t.pool.release(l.begun)
	}
	t.dropLag(id)
	return o
}

// spareLags is how many lag records a loop keeps for the next members to lag.
const spareLags = 1024

func (t *Table) takeLag(l lag) *lag {
	var p *lag
	if n := len(t.spare); n > 0 {
		p, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		p = new(lag)
	}
	*p = l
	return p
}

func (t *Table) dropLag(id poller.ID) {
	l := t.lags[id.Slot]
	delete(t.lags, id.Slot)
	*l = lag{}
	if len(t.spare) < spareLags {
		t.spare = append(t.spare, l)
	}
}
