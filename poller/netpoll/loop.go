//go:build linux

package netpoll

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/calls"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/sock"
	"github.com/oortim/oort/poller/internal/taskq"
	"github.com/oortim/oort/poller/internal/writable"
)

const (
	tasksATurn = 1024 // tasks handled before links get their turn
)

// loop is what stands for a reactor: a lock that serialises callbacks, and a
// goroutine for those that the library does not cause.
type loop struct {
	// immutable after Open
	index  int
	engine *engine

	// safe from anywhere
	calls    calls.Handler
	tasks    *taskq.Queue
	full     *writable.Set // sockets with a short write
	arrivals chan arrival
	bell     chan struct{} // one place: a turn is due
	accepted atomic.Uint64
	enrolled sync.WaitGroup // links that the library has

	// mu is held while a callback runs, and guards the fields below. The
	// methods of poller.Loop run in callbacks, so they find it held.
	mu      sync.Mutex
	links   table
	rests   rest.Table
	resumed []*link // whose rest is to be delivered
	closing []closing
	gone    []*link // to be let go of once mu is free
	vec     sock.Vector

	// endMu may be taken with mu held, and never the other way round.
	endMu sync.Mutex
	ended []*link // guarded by endMu; whose peers ended them
}

// closing is a link that was marked, and why.
type closing struct {
	link   *link
	reason error
}

func newLoop(e *engine, index int) (*loop, error) {
	l := &loop{
		index:    index,
		engine:   e,
		arrivals: make(chan arrival, e.opts.AcceptBatch),
		bell:     make(chan struct{}, 1),
	}
	l.tasks = taskq.New(e.opts.Queue, l.ring)
	var err error
	l.full, err = writable.Open(l.writable)
	return l, err
}

func (l *loop) Index() int              { return l.index }
func (l *loop) Post(t poller.Task) bool { return l.tasks.Put(t) }

// ring makes a turn follow. It never blocks.
func (l *loop) ring() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

func (l *loop) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.engine.stopping:
			l.stop()
			return
		default:
			l.sleep(l.turn(), timer)
		}
	}
}

// sleep returns when wait is over, somebody rang, or there are tasks.
func (l *loop) sleep(wait time.Duration, timer *time.Timer) {
	if wait == 0 || !l.tasks.Sleep() {
		return
	}
	defer l.tasks.Awake()
	var over <-chan time.Time
	if wait > 0 {
		timer.Reset(wait)
		over = timer.C
	}
	select {
	case <-l.bell:
	case <-over:
	}
}

// turn does the work of one turn that is not done on goroutines of the library
// or of the watch, and returns how long to sleep.
func (l *loop) turn() time.Duration {
	l.mu.Lock()
	l.openArrivals()
	l.runTasks()
	l.runResumed()
	l.runEnded()
	l.runClosing()
	wait := l.calls.OnTurn(time.Now())
	if len(l.resumed) > 0 || len(l.closing) > 0 || len(l.arrivals) > 0 {
		wait = 0
	}
	l.mu.Unlock()
	l.closeGone()
	return wait
}

// stop ends the loop: tasks that were taken are handled while the links still
// live, and what they wrote goes out before the links are closed.
func (l *loop) stop() {
	l.engine.acceptors.Wait()
	l.mu.Lock()
	l.tasks.End()
	for l.runTasks() {
	}
	l.runResumed()
	l.runEnded()
	l.runClosing()
	l.calls.OnTurn(time.Now())
	for _, k := range l.links.links {
		if k != nil {
			l.Close(k.id, poller.ErrStopped)
		}
	}
	l.runClosing()
	l.calls.OnStop()
	l.mu.Unlock()
	l.closeGone()
	l.refuseArrivals()
	l.full.Close()
	l.enrolled.Wait()
}

// runTasks handles the tasks at hand and says whether there were any.
func (l *loop) runTasks() bool {
	n := l.tasks.Gather(tasksATurn)
	for range n {
		l.calls.OnTask(l.tasks.Next())
	}
	return n > 0
}
