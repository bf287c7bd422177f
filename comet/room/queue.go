package room

import (
	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/ident"
)

// queue is what waits for one room's next flush: only here do lanes, expiry and
// collapse act. It exists only while something waits, or was lost since the
// last flush and must be told.
type queue struct {
	msgs  []*Msg // in the order of pushing; nil where one was taken out
	live  int
	bytes int
	lanes [ledger.Lanes]struct {
		live int
		head int // index in msgs before which the lane has nothing
	}
	keys map[string]int // collapse key: index of the message that waits with it
	lost []lost

	watched int // messages added that are in sampled traces
}

// lost counts messages of one op and lane that were taken out unsent.
type lost struct {
	op   uint32
	lane uint8
	n    uint64
}

// lostMost bounds the list of what was lost between two flushes; what does not
// fit is counted and not told. Ops are the pushers' to choose, not the clients'.
const lostMost = 64

func (q *queue) add(m *Msg) {
	q.compact()
	if m.Collapse != "" {
		if q.keys == nil {
			q.keys = map[string]int{}
		}
		q.keys[m.Collapse] = len(q.msgs)
	}
	q.msgs = append(q.msgs, m)
	q.live++
	q.bytes += len(m.Frame)
	q.lanes[m.Lane].live++
	if m.Watch != nil {
		q.watched++
	}
}

// out takes message i out.
func (q *queue) out(i int) *Msg {
	m := q.msgs[i]
	q.msgs[i] = nil
	q.live--
	q.bytes -= len(m.Frame)
	q.lanes[m.Lane].live--
	if m.Collapse != "" && q.keys[m.Collapse] == i {
		delete(q.keys, m.Collapse)
	}
	return m
}

// release tells the watches of what is in q that this loop is done with it.
func (q *queue) release() {
	if q.watched == 0 {
		return
	}
	for _, m := range q.msgs {
		if m != nil {
			m.Watch.Release()
		}
	}
}

// compact closes the holes when they are the larger part, so that a key pushed
// over and over does not make the list grow.
func (q *queue) compact() {
	if len(q.msgs) < 2*q.live+64 {
		return
	}
	keep := q.msgs[:0]
	for _, m := range q.msgs {
		if m == nil {
			continue
		}
		if m.Collapse != "" {
			q.keys[m.Collapse] = len(keep)
		}
		keep = append(keep, m)
	}
	clear(q.msgs[len(keep):])
	q.msgs = keep
	for lane := range q.lanes {
		q.lanes[lane].head = 0
	}
}

// older is the index of the message that waits with the same key; -1: none.
func (q *queue) older(key string) int {
	if i, ok := q.keys[key]; ok && key != "" {
		return i
	}
	return -1
}

// lowest is the index of the message to be shed first, the oldest of the lowest
// lane that has any above spare; -1 if there is none.
func (q *queue) lowest(spare int) int {
	for lane := ledger.Lanes - 1; lane > spare; lane-- {
		l := &q.lanes[lane]
		if l.live == 0 {
			continue
		}
		for q.msgs[l.head] == nil || int(q.msgs[l.head].Lane) != lane {
			l.head++
		}
		return l.head
	}
	return -1
}

// lose notes that m was lost to those who wanted it.
func (q *queue) lose(m *Msg) {
	for i := range q.lost {
		if l := &q.lost[i]; l.op == m.Op && l.lane == m.Lane {
			l.n++
			return
		}
	}
	if len(q.lost) < lostMost {
		q.lost = append(q.lost, lost{m.Op, m.Lane, 1})
	}
}

// lostTo is what was lost to links with these accepts.
func (q *queue) lostTo(wants *Accepts) (n ledger.Counts) {
	for _, l := range q.lost {
		if wants.Wants(l.op) {
			n[l.lane] += l.n
		}
	}
	return n
}

// wanted is what waits for links with these accepts.
func (q *queue) wanted(wants *Accepts) (n ledger.Counts) {
	if q == nil {
		return n
	}
	for _, m := range q.msgs {
		if m != nil && wants.Wants(m.Op) {
			n[m.Lane]++
		}
	}
	return n
}

// pick appends to dst what links with these accepts want.
func (q *queue) pick(dst []*Msg, wants *Accepts) []*Msg {
	for _, m := range q.msgs {
		if m != nil && wants.Wants(m.Op) {
			dst = append(dst, m)
		}
	}
	return dst
}

const (
	// spareQueues is how many empty queues a loop keeps.
	spareQueues = 256
	// keepPending is how long a queue's list stays while it is empty.
	keepPending = 1024
)

func (t *Table) takeQueue() *queue {
	if n := len(t.queues); n > 0 {
		q := t.queues[n-1]
		t.queues = t.queues[:n-1]
		return q
	}
	return &queue{}
}

// dropQueue takes back a queue whose messages have been flushed.
func (t *Table) dropQueue(q *queue) {
	q.release()
	clear(q.msgs)
	if len(t.queues) == spareQueues || cap(q.msgs) > keepPending {
		return
	}
	if len(q.keys) > keepPending {
		q.keys = nil
	}
	clear(q.keys)
	*q = queue{msgs: q.msgs[:0], keys: q.keys, lost: q.lost[:0]}
	t.queues = append(t.queues, q)
}

// Push queues m for the next flush and returns how many members the room has
// here.
func (t *Table) Push(name ident.Room, m *Msg) int {
	index, ok := t.byName[name]
	if !ok {
		return 0
	}
	r := t.rooms[index]
	if r.queue == nil {
		r.queue = t.takeQueue()
	}
	t.schedule(r)
	if i := r.queue.older(m.Collapse); i >= 0 {
		t.take(r, i, ledger.Collapsed)
	}
	r.queue.add(m)
	t.waiting += len(m.Frame)
	if r.ledger != nil || t.ledgers < freeLedgers {
		t.keepLedger(r).Pushed[m.Lane]++
	}
	t.await(r, m, 1)
	t.shed(r)
	return int(r.members)
}

// shed takes messages out until what waits is within its bounds: those of the
// room for all lanes but system, those of the loop for all.
func (t *Table) shed(r *room) {
	q, most := r.queue, t.most(r)
	for q.live > 1 && (q.bytes > most || t.waiting > t.lim.Waiting) {
		spare := ledger.System
		if t.waiting > t.lim.Waiting {
			spare = -1
		}
		i := q.lowest(spare)
		if i < 0 {
			return
		}
		q.lose(t.take(r, i, ledger.Shed))
	}
}

// take takes message i out of the room's queue, for this reason.
func (t *Table) take(r *room, i int, why ledger.Outcome) *Msg {
	m := r.queue.out(i)
	t.waiting -= len(m.Frame)
	n := t.await(r, m, -1)
	t.end(r, why, m.Lane, uint64(n))
	m.End(why, n)
	m.Watch.Release()
	return m
}

// expire takes out what has waited past its time.
func (t *Table) expire(r *room, now int64) {
	for i, m := range r.queue.msgs {
		if m != nil && m.Expired(now) {
			r.queue.lose(t.take(r, i, ledger.Expired))
		}
	}
}
