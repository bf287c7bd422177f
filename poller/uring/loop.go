//go:build linux

package uring

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/calls"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/ring"
	"github.com/oortim/oort/poller/internal/slots"
	"github.com/oortim/oort/poller/internal/sock"
	"github.com/oortim/oort/poller/internal/taskq"
)

const (
	entries     = 256         // submissions gathered at most before one system call
	completions = 2048        // what the kernel queues before it has to put some aside
	tasksATurn  = 1024        // tasks handled before links get their turn
	lingering   = time.Second // for requests to end before the ring does
)

// loop is one reactor and all that it owns.
type loop struct {
	// immutable after Open
	index  int
	engine *engine

	// safe from anywhere
	calls        calls.Handler
	tasks        *taskq.Queue
	bell         *os.File // an eventfd, written to wake the loop
	accepted     atomic.Uint64
	acceptPauses atomic.Uint64

	// owned by the loop
	ring      *ring.Ring
	buffers   *ring.Buffers
	events    []ring.CQE // completions at hand
	pending   int        // requests under way that hold a socket
	links     slots.Table[link]
	rests     rest.Table
	failures  map[poller.ID]error // what ended the receives of paused links
	resumed   []poller.ID         // links whose rest is to be delivered
	closing   []closing           // links whose OnClose is due, in order of marking
	listeners []listener
	budget    int         // accepts left in this turn
	retry     time.Time   // when paused listeners are tried again; zero if none is paused
	each      each        // the WriteEach under way
	vec       sock.Vector // scratch of Writev
}

// closing is a link that was marked, and why.
type closing struct {
	id     poller.ID
	reason error
}

func newLoop(e *engine, index int) *loop {
	l := &loop{index: index, engine: e, failures: map[poller.ID]error{}}
	l.tasks = taskq.New(e.opts.Queue, l.wake)
	return l
}

// open acquires what the loop needs; free gives it back, also what a failed
// open acquired.
func (l *loop) open() (err error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	l.bell = os.NewFile(uintptr(fd), "eventfd") // blocking, so unknown to the runtime's poller
	if l.ring, err = ring.Open(entries, completions); err != nil {
		return err
	}
	l.buffers, err = l.ring.Provide(group, bufferCount, bufferSize)
	return err
}

func (l *loop) free() {
	l.closeListeners()
	if l.ring != nil {
		l.ring.Close()
	}
	if l.bell != nil {
		_ = l.bell.Close()
	}
}

func (l *loop) Index() int              { return l.index }
func (l *loop) Post(t poller.Task) bool { return l.tasks.Put(t) }

// wake ends a sleep. As an os.File the bell may be rung while the loop ends.
func (l *loop) wake() { _, _ = l.bell.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (l *loop) run(started chan<- error) {
	defer l.engine.ended()
	defer l.free()
	runtime.LockOSThread() // the ring knows the thread; free comes before it is unlocked
	defer runtime.UnlockOSThread()
	err := l.ring.Start()
	started <- err
	if err != nil {
		return
	}
	l.hearBell()
	for i := range l.listeners {
		l.attend(i)
	}
	for wait := time.Duration(0); !l.engine.stopping.Load(); {
		wait = l.turn(wait)
	}
	l.stop()
}

// turn runs one turn after sleeping for wait at most, and returns how long
// the next may sleep.
func (l *loop) turn(wait time.Duration) time.Duration {
	if wait != 0 && l.tasks.Sleep() {
		l.ring.Wait(wait)
	} else {
		l.ring.Take()
	}
	l.tasks.Awake()
	l.budget = l.engine.opts.AcceptBatch
	l.handleEvents()
	l.runTasks()
	l.tendListeners()
	l.runResumed()
	l.runClosing()
	now := time.Now()
	return l.nextWait(l.calls.OnTurn(now), now)
}

// stop ends the loop: tasks that were taken are handled while the links still
// live, and what they wrote goes out before the links are closed.
func (l *loop) stop() {
	l.closeListeners()
	l.tasks.End()
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
	l.linger()
}

// linger waits until the requests that were cancelled have ended, as they hold
// the sockets.
func (l *loop) linger() {
	l.settle()
	l.handleEvents()
	for end := time.Now().Add(lingering); l.pending > 0 && time.Now().Before(end); l.handleEvents() {
		l.ring.Wait(lingering)
	}
}

// entry is a place for a request.
func (l *loop) entry() *ring.SQE {
	for l.ring.Room() == 0 {
		l.settle()
	}
	return l.ring.Next()
}

// settle submits what was gathered, and moves all that has completed to
// l.events, so that the completions of the next submission find the queue empty.
func (l *loop) settle() {
	l.ring.Submit()
	l.events = l.ring.Reap(l.events)
	for l.ring.Overflowed() {
		l.ring.Take()
		l.events = l.ring.Reap(l.events)
	}
}

// handleEvents handles the completions at hand, and those that the handling
// brings.
func (l *loop) handleEvents() {
	l.events = l.ring.Reap(l.events)
	for i := 0; i < len(l.events); i++ {
		l.handle(l.events[i])
	}
	l.events = l.events[:0]
	l.buffers.Publish()
}

func (l *loop) handle(c ring.CQE) {
	kind, id := ofToken(c.UserData)
	switch kind {
	case rung:
		if !c.More() {
			l.hearBell()
		}
	case knocked:
		l.pending--
		l.knocked(id.Slot)
	case heard:
		l.heard(id, c)
	case drained:
		l.pending--
		l.drained(id)
	}
}

// hearBell has the kernel tell when the bell is rung. It is never read: each
// write tells anew.
func (l *loop) hearBell() {
	e := l.entry()
	e.PollOn(int32(l.bell.Fd()), unix.POLLIN)
	e.UserData = token(rung, poller.ID{})
}

// runTasks handles the tasks at hand and says whether there were any.
func (l *loop) runTasks() bool {
	n := l.tasks.Gather(tasksATurn)
	for range n {
		l.calls.OnTask(l.tasks.Next())
	}
	return n > 0
}

// nextWait is what the handler asked for unless the engine has work of its
// own. (Tasks that wait are seen by the queue's Sleep.)
func (l *loop) nextWait(asked time.Duration, now time.Time) time.Duration {
	if len(l.events) > 0 || len(l.resumed) > 0 || len(l.closing) > 0 {
		return 0
	}
	if l.retry.IsZero() {
		return asked
	}
	if left := max(l.retry.Sub(now), 0); asked < 0 || left < asked {
		return left
	}
	return asked
}
