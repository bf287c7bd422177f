//go:build linux || darwin || freebsd

package adapter

import (
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/calls"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/slots"
	"github.com/oortim/oort/poller/internal/sock"
	"github.com/oortim/oort/poller/internal/taskq"
)

// tasksATurn is how many tasks are handled before links get their turn.
const tasksATurn = 1024

// Adapter is what a Loop asks of the library under it. Calls to it come only
// from within calls to the Loop.
type Adapter[T any] interface {
	// Begin is called first in each turn, the last one included.
	Begin()
	// Arm has Pay called when k takes bytes again, or has failed. An error
	// closes the link.
	Arm(k *Link[T]) error
	// Paused and Resumed tell that deliveries are not wanted, and are again, of
	// a link that is not marked.
	Paused(k *Link[T])
	Resumed(k *Link[T])
	// Release closes the descriptor of k, after its OnClose. k is in no table.
	Release(k *Link[T])
}

// Loop is a poller.Loop over an Adapter. Prepare makes one.
type Loop[T any] struct {
	// immutable after Open
	index   int
	limit   int // Options.MaxRest
	adapter Adapter[T]

	// safe from anywhere
	Tasks    *taskq.Queue
	calls    calls.Handler
	accepted atomic.Uint64

	// owned by the loop
	links   slots.Table[*Link[T]]
	rests   rest.Table
	resumed []*Link[T] // whose rest is to be delivered
	closing []closing[T]
	gone    []*Link[T] // to be released
	vec     sock.Vector
}

// closing is a link that was marked, and why.
type closing[T any] struct {
	link   *Link[T]
	reason error
}

// Prepare makes l the loop of that index. wake is called, from anywhere, when
// there is work for a loop that has declared by Tasks.Sleep that it sleeps.
func (l *Loop[T]) Prepare(o poller.Options, index int, a Adapter[T], wake func()) {
	l.index, l.limit, l.adapter = index, o.MaxRest, a
	l.Tasks = taskq.New(o.Queue, wake)
}

func (l *Loop[T]) bind(o poller.Options, as poller.Loop) error { return l.calls.Open(o, as) }
func (l *Loop[T]) kick()                                       { l.Tasks.Kick() }

func (l *Loop[T]) count(s *poller.Stats) {
	s.Accepted += l.accepted.Load()
	s.Panics += l.calls.Panics()
	s.Wakes += l.Tasks.Wakes()
}

func (l *Loop[T]) Index() int              { return l.index }
func (l *Loop[T]) Post(t poller.Task) bool { return l.Tasks.Put(t) }

// Admit makes a link and calls OnOpen, which may have marked it.
func (l *Loop[T]) Admit(fd int, own T, c poller.Conn) *Link[T] {
	id, place := l.links.Add()
	k := &Link[T]{ID: id, FD: fd, Own: own}
	*place = k
	l.accepted.Add(1)
	l.calls.OnOpen(id, c)
	return k
}

// Find returns the link of id, or nil if it is gone or marked.
func (l *Loop[T]) Find(id poller.ID) *Link[T] {
	if place := l.links.Find(id); place != nil {
		return *place
	}
	return nil
}

// Open says whether k is neither gone nor marked.
func (l *Loop[T]) Open(k *Link[T]) bool { return l.links.Find(k.ID) != nil }

// Turn does the work of one turn but what the library causes, and returns how
// long to sleep. ReleaseGone must follow.
func (l *Loop[T]) Turn() time.Duration {
	l.adapter.Begin()
	l.runTasks()
	l.runResumed()
	l.runClosing()
	wait := l.calls.OnTurn(time.Now())
	if len(l.resumed) > 0 || len(l.closing) > 0 {
		return 0
	}
	return wait
}

// Finish is the last turn: tasks that were taken are handled while the links
// still live, and what they wrote goes out before the links are closed.
// ReleaseGone must follow.
func (l *Loop[T]) Finish() {
	l.adapter.Begin()
	l.Tasks.End()
	for l.runTasks() {
	}
	l.runResumed()
	l.runClosing()
	l.calls.OnTurn(time.Now())
	for id := range l.links.Open() {
		l.Close(id, poller.ErrStopped)
	}
	l.runClosing()
	l.calls.OnStop()
}

// runTasks handles the tasks at hand and says whether there were any.
func (l *Loop[T]) runTasks() bool {
	n := l.Tasks.Gather(tasksATurn)
	for range n {
		l.calls.OnTask(l.Tasks.Next())
	}
	return n > 0
}

// Close marks. It is the one way by which a link ends, whoever ends it.
func (l *Loop[T]) Close(id poller.ID, reason error) {
	if place := l.links.Mark(id); place != nil {
		(*place).openGate()
		l.closing = append(l.closing, closing[T]{*place, reason})
	}
}

// runClosing tells of the links that were marked, and of those that OnClose
// marks meanwhile.
func (l *Loop[T]) runClosing() {
	for i := 0; i < len(l.closing); i++ {
		k := l.closing[i].link
		l.calls.OnClose(k.ID, l.closing[i].reason)
		l.rests.Free(k.rest)
		l.links.Remove(k.ID)
		l.gone = append(l.gone, k)
	}
	clear(l.closing)
	l.closing = l.closing[:0]
}

// ReleaseGone has the adapter release the links that the last turn closed. Only who
// runs turns calls it; no other call needs to wait for it.
func (l *Loop[T]) ReleaseGone() {
	for _, k := range l.gone {
		l.adapter.Release(k)
	}
	clear(l.gone)
	l.gone = l.gone[:0]
}
