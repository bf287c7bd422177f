package room

import "time"

const (
	// share is what of its loop one room may take: it rests after a flush.
	share = 0.5
	// leastRest is what is worth a timer.
	leastRest = time.Millisecond
	// leastBudget is the least that may wait for a room whose flushes take too
	// long: below it a write costs what it costs, however short it is.
	leastBudget = 16 << 10
)

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
