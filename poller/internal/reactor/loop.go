//go:build linux || darwin || freebsd

package reactor

import (
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/calls"
	"github.com/oortim/oort/poller/internal/taskq"
)

const (
	// acceptPause is how long a loop that ran out of descriptors waits before
	// it tries again. Nobody tells it of relief.
	acceptPause = 200 * time.Millisecond

	tasksATurn = 1024 // tasks handled before links get their turn
)

// Loop is what a reactor's loop has besides its links and what waits for their
// events. Prepare comes first.
type Loop struct {
	// immutable after Prepare
	index int

	// safe from anywhere
	Calls        calls.Handler
	Tasks        *taskq.Queue
	accepted     atomic.Uint64
	acceptPauses atomic.Uint64
	busy         atomic.Int64 // nanoseconds from Begin to the end of EndTurn

	// owned by the loop
	began   time.Time   // this turn
	budget  int         // accepts left in this turn
	retry   time.Time   // when accepting goes on; zero if it has not paused
	resumed []poller.ID // links whose rest is to be delivered
	closing []closing   // links whose OnClose is due, in order of marking
}

// closing is a link that was marked, and why.
type closing struct {
	id     poller.ID
	reason error
}

// Prepare makes l a loop of that index. wake ends its sleep; see taskq.New.
func (l *Loop) Prepare(o poller.Options, index int, wake func()) {
	l.index, l.Tasks = index, taskq.New(o.Queue, wake)
}

func (l *Loop) Index() int              { return l.index }
func (l *Loop) Post(t poller.Task) bool { return l.Tasks.Put(t) }

// Accepted is how many connects became links.
func (l *Loop) Accepted() uint64 { return l.accepted.Load() }

func (l *Loop) kick() { l.Tasks.Kick() }

func (l *Loop) count(s *poller.Stats) {
	s.Accepted += l.accepted.Load()
	s.AcceptPauses += l.acceptPauses.Load()
	s.Panics += l.Calls.Panics()
	s.Wakes += l.Tasks.Wakes()
	s.Busy = append(s.Busy, time.Duration(l.busy.Load()))
}

// Begin begins a turn in which at most most connects are accepted.
func (l *Loop) Begin(most int) { l.budget, l.began = most, time.Now() }

// MayAccept says whether accepting has neither paused nor used up the turn's
// connects.
func (l *Loop) MayAccept() bool { return l.budget > 0 && !l.Pausing() }

// Pausing says whether accepting has paused.
func (l *Loop) Pausing() bool { return !l.retry.IsZero() }

// Spend is to be called for each connect that was taken from the kernel,
// whatever became of it; Admit for those that became links.
func (l *Loop) Spend() { l.budget-- }
func (l *Loop) Admit() { l.accepted.Add(1) }

// PauseAccept begins a pause, in which connects are left to the kernel.
func (l *Loop) PauseAccept() {
	if !l.Pausing() {
		l.acceptPauses.Add(1)
	}
	l.retry = time.Now().Add(acceptPause)
}

// PauseIsOver says whether a pause has lasted long enough: then EndPause, or
// PauseAccept again, which goes on with the same one.
func (l *Loop) PauseIsOver() bool { return l.Pausing() && !time.Now().Before(l.retry) }

// EndPause ends a pause, if there is one.
func (l *Loop) EndPause() { l.retry = time.Time{} }

// RunTasks handles the tasks at hand and says whether there were any.
func (l *Loop) RunTasks() bool {
	n := l.Tasks.Gather(tasksATurn)
	for range n {
		l.Calls.OnTask(l.Tasks.Next())
	}
	return n > 0
}

// Resumed has RunResumed deliver what waits for id.
func (l *Loop) Resumed(id poller.ID) { l.resumed = append(l.resumed, id) }

// RunResumed calls deliver for the links that were resumed so far. One that is
// resumed again meanwhile waits for the next turn.
func (l *Loop) RunResumed(deliver func(poller.ID)) {
	n := len(l.resumed)
	for i := range n {
		deliver(l.resumed[i])
	}
	l.resumed = l.resumed[:copy(l.resumed, l.resumed[n:])]
}

// Marked has RunClosing tell and release id.
func (l *Loop) Marked(id poller.ID, reason error) {
	l.closing = append(l.closing, closing{id, reason})
}

// RunClosing tells of the links that were marked and releases them, and those
// that OnClose marks meanwhile.
func (l *Loop) RunClosing(release func(poller.ID)) {
	for i := 0; i < len(l.closing); i++ {
		c := l.closing[i]
		l.Calls.OnClose(c.id, c.reason)
		release(c.id)
	}
	clear(l.closing) // lets go of the reasons
	l.closing = l.closing[:0]
}

// EndTurn calls OnTurn and returns how long the loop may sleep: what that asked
// for unless the loop has work of its own. (Tasks that wait are seen by the
// queue's Sleep.)
func (l *Loop) EndTurn(now time.Time) time.Duration {
	asked := l.Calls.OnTurn(now)
	l.busy.Add(int64(time.Since(l.began)))
	switch {
	case len(l.resumed) > 0 || len(l.closing) > 0:
		return 0
	case !l.Pausing():
		return asked
	}
	if left := max(l.retry.Sub(now), 0); asked < 0 || left < asked {
		return left
	}
	return asked
}
