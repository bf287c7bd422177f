package pollertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
)

// referee stands between an engine's loop and a test's script, and checks the
// rules that hold always. It writes a history, of which a fault shows the end.
type referee struct {
	loop   poller.Loop
	script script

	inside atomic.Int32 // callbacks under way: 0 or 1

	// owned by the loop
	links   map[uint32]uint32   // slot → generation of its tenant
	marked  map[poller.ID]error // links that a script closed, and the reason it gave first
	seen    map[poller.ID]bool
	most    int // links at a time so far
	stopped bool
	owed    map[poller.ID]bool // a write was short and OnWritable has not come
	paused  map[poller.ID]bool

	mu      sync.Mutex
	faults  []string // guarded by mu
	history []string // guarded by mu
}

// script is what a test wants of a callback; nil means nothing (and that
// OnData uses all, and the loop sleeps for ever).
type script struct {
	open     func(id poller.ID, c poller.Conn)
	data     func(id poller.ID, in []byte) int
	writable func(id poller.ID)
	close    func(id poller.ID, reason error)
	task     func(t poller.Task)
	turn     func(now time.Time) time.Duration
	stop     func()
}

func newReferee(l poller.Loop) *referee {
	r := &referee{
		links:  map[uint32]uint32{},
		seen:   map[poller.ID]bool{},
		marked: map[poller.ID]error{},
		owed:   map[poller.ID]bool{},
		paused: map[poller.ID]bool{},
	}
	r.loop = watched{l, r}
	return r
}

const historyKept = 200

func (r *referee) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.history) == historyKept {
		r.history = append(r.history[:0], r.history[historyKept/2:]...)
	}
	r.history = append(r.history, fmt.Sprintf(format, args...))
}

func (r *referee) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Sprintf(format, args...)+fmt.Sprintf(" (after %d events)", len(r.history)))
}

// enter begins a callback; what it returns ends it.
func (r *referee) enter(what string, id poller.ID) func() {
	if r.inside.Add(1) != 1 {
		r.fault("%s %v began within or beside another callback", what, id)
	}
	if r.stopped {
		r.fault("%s %v came after OnStop", what, id)
	}
	r.note("%s %v", what, id)
	return func() { r.inside.Add(-1) }
}

// open says whether id is the tenant of its slot.
func (r *referee) open(id poller.ID) bool {
	gen, ok := r.links[id.Slot]
	return ok && gen == id.Gen
}

// known checks that id is open.
func (r *referee) known(what string, id poller.ID) {
	if !r.open(id) {
		r.fault("%s of %v, which is not open", what, id)
	}
}

// live checks that id is open and that no script has closed it.
func (r *referee) live(what string, id poller.ID) {
	r.known(what, id)
	if reason, ok := r.marked[id]; ok {
		r.fault("%s of %v, which was closed with %v", what, id, reason)
	}
}

func (r *referee) OnOpen(id poller.ID, c poller.Conn) {
	defer r.enter("OnOpen", id)()
	if _, ok := r.links[id.Slot]; ok {
		r.fault("OnOpen of %v while the slot has a tenant", id)
	}
	if id.Gen == 0 || r.seen[id] {
		r.fault("OnOpen of %v: generation 0, or dealt before", id)
	}
	r.seen[id] = true
	r.links[id.Slot] = id.Gen
	r.most = max(r.most, len(r.links))
	if int(id.Slot) >= r.most {
		r.fault("OnOpen of %v: slots are not dense, as there were never more than %d links", id, r.most)
	}
	if r.script.open != nil {
		r.script.open(id, c)
	}
}

func (r *referee) OnData(id poller.ID, in []byte) int {
	defer r.enter("OnData", id)()
	r.live("OnData", id)
	if len(in) == 0 {
		r.fault("OnData of %v with nothing", id)
	}
	if r.paused[id] {
		r.fault("OnData of %v, which is paused", id)
	}
	if cap(in) != len(in) {
		r.fault("OnData of %v: appending to in would write into the engine's memory", id)
	}
	if r.script.data == nil {
		return len(in)
	}
	return r.script.data(id, in)
}

func (r *referee) OnWritable(id poller.ID) {
	defer r.enter("OnWritable", id)()
	r.live("OnWritable", id)
	if !r.owed[id] {
		r.fault("OnWritable of %v, of which no write was short", id)
	}
	delete(r.owed, id)
	if r.script.writable != nil {
		r.script.writable(id)
	}
}

func (r *referee) OnClose(id poller.ID, reason error) {
	defer r.enter("OnClose", id)()
	r.known("OnClose", id)
	if reason == nil {
		r.fault("OnClose of %v without a reason", id)
	}
	if _, err := r.loop.Write(id, []byte("x")); err == nil {
		r.fault("Write to %v succeeded in its OnClose", id)
	}
	if first, ok := r.marked[id]; ok && first != reason {
		r.fault("OnClose of %v for %v, but it was first closed for %v", id, reason, first)
	}
	delete(r.marked, id)
	delete(r.owed, id)
	delete(r.paused, id)
	delete(r.links, id.Slot)
	if r.script.close != nil {
		r.script.close(id, reason)
	}
}

func (r *referee) OnTask(t poller.Task) {
	defer r.enter("OnTask", t.ID)()
	if c, ok := t.Ref.(*call); ok {
		c.run(r.loop)
		return
	}
	if r.script.task != nil {
		r.script.task(t)
	}
}

func (r *referee) OnTurn(now time.Time) time.Duration {
	defer r.enter("OnTurn", poller.ID{})()
	if r.script.turn == nil {
		return -1
	}
	return r.script.turn(now)
}

func (r *referee) OnStop() {
	defer r.enter("OnStop", poller.ID{})()
	r.stopped = true
	if len(r.links) > 0 {
		r.fault("OnStop with %d links open", len(r.links))
	}
	if r.script.stop != nil {
		r.script.stop()
	}
}

// call is a task that runs a function of a test on the loop.
type call struct {
	f    func(poller.Loop)
	done chan struct{}
}

func (c *call) run(l poller.Loop) {
	defer close(c.done)
	c.f(l)
}

// tenants lists the open links. Only on the loop.
func (r *referee) tenants() []poller.ID {
	var ids []poller.ID
	for slot, gen := range r.links {
		ids = append(ids, poller.ID{Slot: slot, Gen: gen})
	}
	return ids
}
