//go:build linux

package netpoll

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/sock"
	"github.com/oortim/oort/poller/internal/taskq"
	"github.com/oortim/oort/poller/internal/writable"
)

const (
	tasksATurn = 1024 // tasks handled before links get their turn
	panicPause = 100 * time.Millisecond
)

// loop is what stands for a reactor: a lock that serialises callbacks, and a
// goroutine for those that the library does not cause.
type loop struct {
	// immutable after Open
	index   int
	engine  *engine
	handler poller.Handler

	// safe from anywhere
	tasks    *taskq.Queue
	full     *writable.Watch // sockets with a short write
	arrivals chan arrival
	bell     chan struct{} // one place: a turn is due
	accepted atomic.Uint64
	panics   atomic.Uint64
	watching sync.WaitGroup // the goroutine of full
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
	full, err := writable.Open()
	if err != nil {
		return nil, err
	}
	l := &loop{
		index:    index,
		engine:   e,
		full:     full,
		arrivals: make(chan arrival, e.opts.AcceptBatch),
		bell:     make(chan struct{}, 1),
	}
	l.tasks = taskq.New(e.opts.Queue, l.ring)
	return l, nil
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
	l.watching.Go(func() { l.full.Run(l.writable) })
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
	wait := l.onTurn(time.Now())
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
	l.onTurn(time.Now())
	for _, k := range l.links.links {
		if k != nil {
			l.Close(k.id, poller.ErrStopped)
		}
	}
	l.runClosing()
	l.onStop()
	l.mu.Unlock()
	l.closeGone()
	l.refuseArrivals()
	l.full.Close()
	l.watching.Wait()
	l.enrolled.Wait()
}

// runTasks handles the tasks at hand and says whether there were any.
func (l *loop) runTasks() bool {
	n := l.tasks.Gather(tasksATurn)
	for range n {
		l.onTask(l.tasks.Next())
	}
	return n > 0
}

// contain is deferred around each callback that concerns one link.
func (l *loop) contain(id poller.ID) {
	if v := recover(); v != nil {
		l.panicked(v)
		l.Close(id, &poller.PanicError{Value: v})
	}
}

// survive is deferred around the callbacks that concern no link.
func (l *loop) survive() {
	if v := recover(); v != nil {
		l.panicked(v)
	}
}

func (l *loop) panicked(v any) {
	l.panics.Add(1)
	if tell := l.engine.opts.OnPanic; tell != nil {
		defer func() { _ = recover() }() // the teller's own panic must not end the loop either
		tell(l.index, v, debug.Stack())
	}
}

func (l *loop) onOpen(id poller.ID, c poller.Conn) {
	defer l.contain(id)
	l.handler.OnOpen(id, c)
}

// onData returns what was left unused. A count out of range panics here, and
// is contained like a panic of the handler, whose mistake it is.
func (l *loop) onData(id poller.ID, in []byte) (left []byte) {
	defer l.contain(id)
	return in[l.handler.OnData(id, in):]
}

func (l *loop) onWritable(id poller.ID) {
	defer l.contain(id)
	l.handler.OnWritable(id)
}

func (l *loop) onClose(c closing) {
	defer l.survive()
	l.handler.OnClose(c.link.id, c.reason)
}

func (l *loop) onTask(t poller.Task) {
	defer l.survive()
	l.handler.OnTask(t)
}

func (l *loop) onTurn(now time.Time) (wait time.Duration) {
	wait = panicPause // if it panics: a handler that always does shall not spin
	defer l.survive()
	return l.handler.OnTurn(now)
}

func (l *loop) onStop() {
	defer l.survive()
	l.handler.OnStop()
}
