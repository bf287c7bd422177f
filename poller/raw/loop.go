//go:build linux || darwin || freebsd

package raw

import (
	"runtime"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/reactor"
	"github.com/oortim/oort/poller/internal/rest"
	"github.com/oortim/oort/poller/internal/slots"
	"github.com/oortim/oort/poller/internal/sock"
)

const (
	readSize    = 64 << 10 // the shared read buffer of a loop
	yieldAfter  = 500 * time.Microsecond
	listenerGen = 0 // generation of events that are no link's; links start at 1
)

// loop is one reactor and all that it owns.
type loop struct {
	reactor.Loop

	// immutable after Open
	engine *engine
	ready  func() bool // Tasks.Sleep; made once, as it would be allocated each turn
	marks  marks       // how full it may be

	// owned by the loop
	poll      *poll
	links     slots.Table[link]
	rests     rest.Table
	more      []poller.ID // edge-triggered: links that had more than may be read in a turn
	listeners []listener
	reserve   []int       // descriptors kept for the connects that wait when there are no others
	passed    bool        // it is so full that it gets no connects
	full      bool        // the reserve is spent: what waits is accepted, then accept pauses
	yielded   time.Time   // when it last did
	buf       []byte      // what links are read into
	vec       sock.Vector // scratch of Writev
	caller    caller      // scratch of accept
	early     early       // whether to read links as soon as they are accepted
}

func newLoop(e *engine, index int) (*loop, error) {
	p, err := openPoll(e.how)
	if err != nil {
		return nil, err
	}
	full := e.how.full
	if full == (marks{}) {
		if full, err = marksOf(); err != nil {
			p.close()
			return nil, err
		}
	}
	l := &loop{engine: e, poll: p, marks: full, buf: make([]byte, readSize)}
	l.Prepare(e.Options, index, p.wake)
	l.ready = l.Tasks.Sleep
	return l, nil
}

func (l *loop) run() {
	defer l.engine.Ended()
	if l.engine.how.Locked && !l.engine.how.Private {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	for wait := time.Duration(0); !l.engine.Stopping(); {
		wait = l.turn(wait)
	}
	l.stop()
}

// turn runs one turn after sleeping for wait at most, and returns how long
// the next may sleep.
func (l *loop) turn(wait time.Duration) time.Duration {
	n := l.poll.wait(wait, l.ready)
	l.Tasks.Awake()
	l.Begin(l.engine.Options.AcceptBatch)
	more := len(l.more)
	for i := range n {
		l.handle(l.poll.event(i))
	}
	l.runMore(more)
	l.RunTasks()
	l.tendListeners()
	l.RunResumed(l.resume)
	l.RunClosing(l.release)
	l.engine.steer.tend(l)
	now := time.Now()
	l.yield(now)
	if wait = l.EndTurn(now); len(l.more) > 0 {
		return 0
	}
	return wait
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
