//go:build linux || darwin || freebsd

package raw

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/calls"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/slots"
	"github.com/oortim/oort/poller/internal/sock"
	"github.com/oortim/oort/poller/internal/taskq"
)

const (
	readSize    = 64 << 10 // the shared read buffer of a loop
	tasksATurn  = 1024     // tasks handled before links get their turn
	yieldAfter  = 500 * time.Microsecond
	listenerGen = 0 // generation of events that are no link's; links start at 1
)

// loop is one reactor and all that it owns.
type loop struct {
	// immutable after Open
	index  int
	engine *engine
	ready  func() bool // tasks.Sleep; made once, as it would be allocated each turn

	// safe from anywhere
	calls        calls.Handler
	tasks        *taskq.Queue
	accepted     atomic.Uint64
	acceptPauses atomic.Uint64

	// owned by the loop
	poll      *poll
	links     slots.Table[link]
	rests     rest.Table
	resumed   []poller.ID // links whose rest is to be delivered
	more      []poller.ID // edge-triggered: links that had more than may be read in a turn
	closing   []closing   // links whose OnClose is due, in order of marking
	listeners []listener
	budget    int         // accepts left in this turn
	retry     time.Time   // when paused listeners are tried again; zero if none is paused
	reserve   []int       // descriptors kept for the connects that wait when there are no others
	full      bool        // the reserve is spent: what waits is accepted, then accept pauses
	yielded   time.Time   // when it last did
	buf       []byte      // what links are read into
	vec       sock.Vector // scratch of Writev
}

// closing is a link that was marked, and why.
type closing struct {
	id     poller.ID
	reason error
}

func newLoop(e *engine, index int) (*loop, error) {
	p, err := openPoll(e.how)
	if err != nil {
		return nil, err
	}
	l := &loop{index: index, engine: e, poll: p, buf: make([]byte, readSize)}
	l.tasks = taskq.New(e.opts.Queue, p.wake)
	l.ready = l.tasks.Sleep
	return l, nil
}

func (l *loop) Index() int              { return l.index }
func (l *loop) Post(t poller.Task) bool { return l.tasks.Put(t) }

func (l *loop) run() {
	defer l.engine.ended()
	if l.engine.how.Locked && !l.engine.how.Private {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	for wait := time.Duration(0); !l.engine.stopping.Load(); {
		wait = l.turn(wait)
	}
	l.stop()
}

// turn runs one turn after sleeping for wait at most, and returns how long
// the next may sleep.
func (l *loop) turn(wait time.Duration) time.Duration {
	n := l.poll.wait(wait, l.ready)
	l.tasks.Awake()
	l.budget = l.engine.opts.AcceptBatch
	more := len(l.more)
	for i := range n {
		l.handle(l.poll.event(i))
	}
	l.runMore(more)
	l.runTasks()
	l.tendListeners()
	l.runResumed()
	l.runClosing()
	now := time.Now()
	l.yield(now)
	return l.nextWait(l.calls.OnTurn(now), now)
}

// yield lets other goroutines run when this one has not slept for long: the
// calls that it makes hide from the runtime that they take time. An idle loop
// beside eight busy ones, on two cores, answers within 8 ms instead of 80
// (medians). One whose threads block answers within 0.1 ms without, as there
// the kernel shares out the cores.
//
//	go test -run xxx -bench Crowded -benchtime 60x ./poller/raw
func (l *loop) yield(now time.Time) {
	if now.Sub(l.yielded) > yieldAfter && !l.engine.how.blocks() {
		runtime.Gosched()
		l.yielded = now
	}
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
	l.poll.close()
}

// handle deals with one event of the kernel.
func (l *loop) handle(slot, gen uint32, r ready) {
	if gen == listenerGen {
		if slot < uint32(len(l.listeners)) {
			l.accept(int(slot))
		}
		return
	}
	id := poller.ID{Slot: slot, Gen: gen}
	k := l.links.Find(id)
	if k == nil {
		return // of an earlier tenant, or marked in this turn
	}
	if r.writable() && k.flag.has(owed) {
		l.writable(id, k)
	}
	if r.readable() && l.isOpen(id) && !k.flag.has(unread) {
		l.readable(id, k, r.hangup())
	}
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
	if len(l.resumed) > 0 || len(l.more) > 0 || len(l.closing) > 0 {
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

// arm tells the kernel what to report of k, if that has changed. An
// edge-triggered link is armed for good.
func (l *loop) arm(id poller.ID, k *link) {
	if k.flag.has(armedEdge) {
		return
	}
	want := flag(0)
	if !k.flag.has(muted) {
		want |= armedIn
	}
	if k.flag.has(owed) {
		want |= armedOut
	}
	have := k.flag & (armedIn | armedOut)
	if want == have {
		return
	}
	if err := l.poll.change(int(k.fd), id.Slot, id.Gen, have, want); err != nil {
		l.Close(id, err)
		return
	}
	k.flag = k.flag&^(armedIn|armedOut) | want
}
