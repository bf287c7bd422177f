//go:build linux

package uring

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/reactor"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/ring"
	"github.com/oortim/oort/poller/internal/slots"
	"github.com/oortim/oort/poller/internal/sock"
)

const (
	entries     = 256         // submissions gathered at most before one system call
	completions = 2048        // what the kernel queues before it has to put some aside
	tasksATurn  = 1024        // tasks handled before links get their turn
	lingering   = time.Second // for requests to end before the ring does
)

// loop is one reactor and all that it owns.
type loop struct {
	reactor.Loop

	// immutable after Open
	engine *engine

	// safe from anywhere
	bell *os.File // an eventfd, written to wake the loop

	// owned by the loop
	ring      *ring.Ring
	buffers   *ring.Buffers
	events    []ring.CQE // completions at hand
	pending   int        // requests under way that hold a socket
	links     slots.Table[link]
	rests     rest.Table
	failures  map[poller.ID]error // what ended the receives of paused links
	listeners []listener
	each      each        // the WriteEach under way
	vec       sock.Vector // scratch of Writev
}

func newLoop(e *engine, index int) *loop {
	l := &loop{engine: e, failures: map[poller.ID]error{}}
	l.Prepare(e.Options, index, l.wake)
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

// wake ends a sleep. As an os.File the bell may be rung while the loop ends.
func (l *loop) wake() { _, _ = l.bell.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (l *loop) run(started chan<- error) {
	defer l.engine.Ended()
	runtime.LockOSThread() // the ring is the thread's
	defer runtime.UnlockOSThread()
	defer l.free()
	err := l.ring.Start()
	started <- err
	if err != nil {
		return
	}
	l.hearBell()
	l.attend()
	for wait := time.Duration(0); !l.engine.Stopping(); {
		wait = l.turn(wait)
	}
	l.stop()
}

// turn runs one turn after sleeping for wait at most, and returns how long
// the next may sleep.
func (l *loop) turn(wait time.Duration) time.Duration {
	if wait != 0 && l.Tasks.Sleep() {
		l.ring.Wait(wait)
	} else {
		l.ring.Take()
	}
	l.Tasks.Awake()
	l.Begin(l.engine.Options.AcceptBatch)
	l.handleEvents()
	l.RunTasks()
	l.tendListeners()
	l.RunResumed(l.resume)
	l.RunClosing(l.release)
	if wait = l.EndTurn(time.Now()); len(l.events) > 0 {
		return 0
	}
	return wait
}

// stop ends the loop: tasks that were taken are handled while the links still
// live, and what they wrote goes out before the links are closed.
func (l *loop) stop() {
	l.closeListeners()
	l.Tasks.End()
	for l.RunTasks() {
	}
	l.RunResumed(l.resume)
	l.RunClosing(l.release)
	l.EndTurn(time.Now())
	for id := range l.links.Open() {
		l.Close(id, poller.ErrStopped)
	}
	l.RunClosing(l.release)
	l.Calls.OnStop()
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
