//go:build linux

package gnet

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	lib "github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/calls"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/taskq"
	"github.com/oortim/oort/poller/internal/writable"
)

const (
	readSize   = 64 << 10 // the read buffer of a gnet loop
	tasksATurn = 1024     // tasks handled before links get their turn
)

// loop is one gnet event loop, and all that it owns.
type loop struct {
	// immutable after Open
	index  int
	engine *engine
	client *lib.Client
	epoll  int // gnet's
	full   *writable.Set

	// safe from anywhere
	bell     bell
	calls    calls.Handler
	tasks    *taskq.Queue
	timer    *time.Timer   // rings
	door     chan struct{} // one for each connect that may come in
	stopped  chan struct{} // closed when OnStop has been called
	accepted atomic.Uint64

	drainedMu sync.Mutex
	drained   []poller.ID // guarded by drainedMu; links whose sockets take bytes again

	// owned by the loop
	links    table
	rests    rest.Table
	resumed  []*link // whose rest is to be delivered
	closing  []closing
	admitted int         // connects that came in since the door was opened
	spent    []poller.ID // drained of the last turn, to be used again
	over     bool        // stopped
}

// closing is a link that was marked, and why.
type closing struct {
	link   *link
	reason error
}

func newLoop(e *engine, index int) (*loop, error) {
	l := &loop{
		index:   index,
		engine:  e,
		door:    make(chan struct{}, e.opts.AcceptBatch),
		stopped: make(chan struct{}),
	}
	for range e.opts.AcceptBatch {
		l.door <- struct{}{}
	}
	l.bell.turn = lib.RunnableFunc(func(context.Context) error { l.run(); return nil })
	l.tasks = taskq.New(e.opts.Queue, l.bell.ring)
	l.timer = time.AfterFunc(time.Hour, l.bell.ring)
	l.timer.Stop()
	return l, l.start()
}

// start opens what can fail, and leaves nothing open if it does.
func (l *loop) start() (err error) {
	if l.full, err = writable.Open(l.drain); err != nil {
		return err
	}
	if l.client, err = newClient(l); err != nil {
		l.full.Close()
		return err
	}
	if err = l.bell.hang(l.client); err == nil {
		if l.epoll, err = epollOf(l.bell.events); err == nil {
			return nil
		}
		_ = unix.Close(l.bell.socket)
	}
	l.full.Close()
	_ = l.client.Stop()
	return err
}

// shutdown ends what start has begun.
func (l *loop) shutdown() {
	l.timer.Stop()
	l.full.Close()
	l.bell.silence()
	_ = l.client.Stop() // only ever tells of what ended its loop
	_ = unix.Close(l.bell.socket)
}

func (l *loop) Index() int              { return l.index }
func (l *loop) Post(t poller.Task) bool { return l.tasks.Put(t) }

// stir makes a turn follow a callback of gnet.
func (l *loop) stir() {
	l.tasks.Awake()
	l.bell.ring()
}

// rang is the byte that again has sent.
func (l *loop) rang() {
	l.bell.sent = false
	l.openDoor()
	l.stir()
}

// run is what gnet executes when the bell was rung.
func (l *loop) run() {
	l.bell.rung.Store(false)
	switch {
	case l.over:
	case l.engine.isStopping():
		l.stop()
	default:
		l.tasks.Awake()
		l.timer.Stop()
		l.sleep(l.turn())
	}
}

// turn does the work of one turn that is not done in gnet's callbacks, and
// returns how long to sleep.
func (l *loop) turn() time.Duration {
	l.runDrained()
	l.runTasks()
	l.runResumed()
	l.runClosing()
	wait := l.calls.OnTurn(time.Now())
	if len(l.resumed) > 0 || len(l.closing) > 0 || l.admitted == cap(l.door) {
		return 0
	}
	return wait
}

// sleep has gnet wait for wait, for somebody to ring, or for events; with
// nothing to wait for, it lets gnet poll once.
func (l *loop) sleep(wait time.Duration) {
	if wait == 0 || !l.tasks.Sleep() {
		l.bell.again()
	} else if wait > 0 {
		l.timer.Reset(wait)
	}
}

// stop ends the loop: tasks that were taken are handled while the links still
// live, and what they wrote goes out before the links are closed.
func (l *loop) stop() {
	l.tasks.End()
	for l.runTasks() {
	}
	l.runResumed()
	l.runClosing()
	l.calls.OnTurn(time.Now())
	for _, k := range l.links.links {
		if k != nil {
			l.Close(k.id, poller.ErrStopped)
		}
	}
	l.runClosing()
	l.calls.OnStop()
	l.over = true
	close(l.stopped)
}

// runTasks handles the tasks at hand and says whether there were any.
func (l *loop) runTasks() bool {
	n := l.tasks.Gather(tasksATurn)
	for range n {
		l.calls.OnTask(l.tasks.Next())
	}
	return n > 0
}
