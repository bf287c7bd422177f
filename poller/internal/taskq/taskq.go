// Package taskq is the queue behind Loop.Post: bounded, many posters, one
// loop. It also knows whether the loop sleeps, because the two must be decided
// together: a loop declares that it is about to sleep and then looks at the
// queue once more, a poster adds its task and then looks whether the loop
// sleeps. Whichever order these take, one of them sees the other, so no task
// waits for a loop that nobody wakes, and a loop that is busy costs no wake-up.
package taskq

import (
	"sync"
	"sync/atomic"

	"github.com/oortim/oort/poller"
)

// keep is how many tasks the queue holds on to as memory once it is empty;
// what a burst made it grow beyond is given back.
const keep = 1024

// Queue of one loop. New makes one.
type Queue struct {
	// immutable
	limit int
	wake  func()

	// safe from anywhere
	asleep atomic.Bool
	kicked atomic.Bool
	begun  atomic.Int64 // tasks moved to out and not yet handed on
	wakes  atomic.Uint64

	mu    sync.Mutex
	in    []poller.Task // guarded by mu
	ended bool          // guarded by mu

	// owned by the loop
	out  []poller.Task
	next int // index in out
}

// New returns a queue of at most limit tasks. wake is called by Put and Kick,
// with no lock held, when the loop has declared that it sleeps: once for each
// such declaration.
func New(limit int, wake func()) *Queue {
	return &Queue{limit: limit, wake: wake}
}

// Put adds t and wakes a sleeping loop. It returns false when the queue is
// full or ended.
func (q *Queue) Put(t poller.Task) bool {
	q.mu.Lock()
	if q.ended || len(q.in)+int(q.begun.Load()) >= q.limit {
		q.mu.Unlock()
		return false
	}
	q.in = append(q.in, t)
	q.mu.Unlock()
	if q.asleep.Load() && q.asleep.CompareAndSwap(true, false) {
		q.wakes.Add(1)
		q.wake()
	}
	return true
}

// Kick keeps the loop from its next sleep, or ends the present one.
func (q *Queue) Kick() {
	q.kicked.Store(true)
	if q.asleep.CompareAndSwap(true, false) {
		q.wake()
	}
}

// Sleep declares that the loop is about to sleep. False means that it must
// not, as there are tasks or somebody kicked.
func (q *Queue) Sleep() bool {
	q.asleep.Store(true)
	if q.kicked.Swap(false) || !q.empty() {
		q.asleep.Store(false)
		return false
	}
	return true
}

// Awake ends what Sleep declared.
func (q *Queue) Awake() { q.asleep.Store(false) }

// Gather returns how many tasks Next may hand on now, at most most. Tasks
// posted after the call are not among them, so that tasks which post tasks do
// not keep a loop from its links.
func (q *Queue) Gather(most int) int {
	if q.next == len(q.out) {
		q.swap()
	}
	return min(most, len(q.out)-q.next)
}

// Next hands on the oldest task. Only as often as Gather said.
func (q *Queue) Next() poller.Task {
	t := q.out[q.next]
	q.out[q.next] = poller.Task{} // lets go of Ref
	q.next++
	q.begun.Add(-1)
	return t
}

// End makes every later Put return false. Tasks that were taken stay.
func (q *Queue) End() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
}

// Wakes is how often Put woke the loop.
func (q *Queue) Wakes() uint64 { return q.wakes.Load() }

func (q *Queue) swap() {
	spent := q.out[:0]
	if cap(spent) > keep {
		spent = nil
	}
	q.mu.Lock()
	q.out, q.in = q.in, spent
	q.begun.Store(int64(len(q.out)))
	q.mu.Unlock()
	q.next = 0
}

func (q *Queue) empty() bool {
	if q.next < len(q.out) {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.in) == 0
}
