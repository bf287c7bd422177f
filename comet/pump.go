package comet

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
)

const (
	// pumpWorkers is how many exchanges with logic are under way at once.
	pumpWorkers = 8
	// pumpBatch bounds the connects of one exchange, and its disconnects.
	pumpBatch = 128
	// pumpEager exchanges take whatever waits. The others, where links come
	// faster than logic answers, wait for half a batch, so that there are fewer
	// of them: an exchange costs both sides as much as some forty connects in
	// it. But none waits longer than pumpPatience for others.
	pumpEager    = 2
	pumpHalf     = pumpBatch / 2
	pumpPatience = 5 * time.Millisecond
	// goneMost bounds the disconnects that wait while logic is away; beyond it
	// the oldest is forgotten, and its session ends by its time to live.
	goneMost = 1 << 20
	// goneRest is how long disconnects rest after an exchange that failed.
	goneRest = time.Second
)

// request is a connect and the link that waits for it.
type request struct {
	Connect
	loop  poller.Loop
	id    poller.ID
	since time.Time
}

// pump carries connects and disconnects to logic in batches: whatever waits
// when a worker is free goes in one exchange, so a lone connect does not wait
// and a storm costs few calls. First come, first served; the loops bound what
// they put in. Each connect is answered once: by logic, or as unavailable when
// its exchange fails or it has waited too long for one.
type pump struct {
	logic   Logic
	door    Door            // nil: none
	timeout time.Duration   // of an exchange, and of waiting for one
	lost    *atomic.Uint64  // disconnects forgotten
	over    <-chan struct{} // closed when the loops have ended

	mu       sync.Mutex
	more     *sync.Cond
	connects fifo[request]    // guarded by mu
	busy     int              // guarded by mu: exchanges under way that have connects
	hurry    *time.Timer      // guarded by mu; runs while connects wait for others
	late     bool             // guarded by mu: some have waited for pumpPatience
	overdue  *time.Timer      // guarded by mu; runs while connects wait
	gone     fifo[Disconnect] // guarded by mu
	open     bool             // guarded by mu: the comet is registered
	resting  bool             // guarded by mu: disconnects failed lately
	ended    bool             // guarded by mu
}

func newPump(l Logic, door Door, timeout time.Duration, lost *atomic.Uint64, over <-chan struct{}) *pump {
	p := &pump{logic: l, door: door, timeout: timeout, lost: lost, over: over}
	p.more = sync.NewCond(&p.mu)
	return p
}

// begin opens the way to logic; until then connects wait.
func (p *pump) begin() {
	p.mu.Lock()
	p.open = true
	p.mu.Unlock()
	p.more.Broadcast()
}

func (p *pump) connect(r request) {
	r.since = time.Now()
	p.mu.Lock()
	p.connects.put(r)
	p.hurryLocked()
	if p.overdue == nil {
		p.overdue = time.AfterFunc(p.timeout, p.giveUp)
	}
	p.mu.Unlock()
	p.more.Signal()
}

// hurryLocked sees to it that what may not go yet does not wait for long.
func (p *pump) hurryLocked() {
	if p.hurry == nil && p.connects.len() > 0 && !p.connectsLocked() {
		p.hurry = time.AfterFunc(pumpPatience, p.hasten)
	}
}

// hasten lets what waits go, however little it is.
func (p *pump) hasten() {
	p.mu.Lock()
	p.hurry, p.late = nil, p.connects.len() > 0
	p.mu.Unlock()
	p.more.Signal()
}

func (p *pump) disconnect(d Disconnect) {
	p.mu.Lock()
	p.goneLocked(d)
	p.mu.Unlock()
	p.more.Signal()
}

func (p *pump) goneLocked(list ...Disconnect) {
	p.gone.put(list...)
	if over := p.gone.len() - goneMost; over > 0 {
		p.gone.take(nil, over)
		p.lost.Add(uint64(over))
	}
}

// giveUp answers the connects that have waited too long for an exchange.
func (p *pump) giveUp() {
	for _, r := range p.overtime() {
		p.answer(r, &Connected{Status: StatusUnavailable, Message: "logic is away or behind"})
	}
}

// overtime takes the overdue connects out and sets the timer for the next.
func (p *pump) overtime() (late []request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for p.connects.len() > 0 && now.Sub(p.connects.front().since) >= p.timeout {
		late = p.connects.take(late, 1)
	}
	if p.connects.len() == 0 {
		p.overdue = nil
		return late
	}
	p.overdue.Reset(p.timeout - now.Sub(p.connects.front().since))
	return late
}

// batch is what one worker has in hand, in arrays that it uses again.
type batch struct {
	requests []request
	connects []Connect // of requests
	gone     []Disconnect
}

// take waits for work and puts it into b; false when the pump has ended and
// nothing is left.
func (p *pump) take(b *batch) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.workLocked() {
		if p.ended {
			return false
		}
		p.more.Wait()
	}
	if p.connectsLocked() {
		b.requests = p.connects.take(b.requests, pumpBatch)
		p.busy++
		p.late = false
		p.hurryLocked()
	}
	if !p.resting || p.ended {
		b.gone = p.gone.take(b.gone, pumpBatch)
	}
	return true
}

func (p *pump) workLocked() bool {
	if p.ended {
		return p.gone.len() > 0
	}
	return p.connectsLocked() || p.open && p.gone.len() > 0 && !p.resting
}

// connectsLocked reports whether connects may go now.
func (p *pump) connectsLocked() bool {
	n := p.connects.len()
	return p.open && n > 0 && (p.busy < pumpEager || n >= pumpHalf || p.late)
}

// run works until end; start as many as pumpWorkers.
func (p *pump) run(ctx context.Context) {
	var b batch
	for p.take(&b) {
		busy := len(b.requests) > 0
		p.screen(&b)
		if len(b.requests)+len(b.gone) > 0 {
			p.exchange(ctx, &b)
		}
		if busy {
			p.answered()
		}
		b.clear()
	}
}

// screen answers the connects that the door turns away and takes them out. It
// is here and not in the loops, since checking a signature takes as long as tens
// of writes.
func (p *pump) screen(b *batch) {
	if p.door == nil {
		return
	}
	b.requests = slices.DeleteFunc(b.requests, func(r request) bool {
		c, refused := p.door.Refuse(&r.Connect)
		if refused {
			p.answer(r, &c)
		}
		return refused
	})
}

// answered makes way for the next exchange.
func (p *pump) answered() {
	p.mu.Lock()
	p.busy--
	p.mu.Unlock()
	p.more.Signal()
}

// clear empties b, which lets go of what it points to.
func (b *batch) clear() {
	clear(b.requests)
	clear(b.connects)
	clear(b.gone)
	b.requests, b.connects, b.gone = b.requests[:0], b.connects[:0], b.gone[:0]
}

func (p *pump) exchange(ctx context.Context, b *batch) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	for i := range b.requests {
		b.connects = append(b.connects, b.requests[i].Connect)
	}
	results, err := p.logic.Sessions(ctx, b.connects, b.gone)
	if err != nil && len(b.gone) > 0 {
		p.putBack(b.gone)
	}
	for i, r := range b.requests {
		c := &Connected{Status: StatusUnavailable}
		if err != nil {
			c.Message = err.Error()
		} else {
			c = &results[i]
		}
		p.answer(r, c)
	}
}

// answer hands a result to the link's loop. If there is no loop any more, the
// session is given back here.
func (p *pump) answer(r request, c *Connected) {
	took := patiently(p.over, r.loop, poller.Task{Kind: taskConnected, ID: r.id, Arg: r.Link, Ref: c})
	if !took && c.Status == StatusOK {
		p.disconnect(Disconnect{Link: r.Link, Key: c.Key, Mid: c.Mid, Epoch: c.Epoch})
	}
}

// putBack keeps disconnects that failed and lets them rest; at the end there
// is no second try, and their sessions end by their time to live.
func (p *pump) putBack(gone []Disconnect) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		p.lost.Add(uint64(len(gone)))
		return
	}
	p.goneLocked(gone...)
	if p.resting {
		return
	}
	p.resting = true
	time.AfterFunc(goneRest, func() {
		p.mu.Lock()
		p.resting = false
		p.mu.Unlock()
		p.more.Signal()
	})
}

// end lets the workers give back the sessions that wait, and return. It is
// called when the loops have ended, so the connects that wait concern nobody.
func (p *pump) end() {
	p.mu.Lock()
	p.ended = true
	p.connects = fifo[request]{}
	if p.overdue != nil {
		p.overdue.Stop()
	}
	if p.hurry != nil {
		p.hurry.Stop()
	}
	p.mu.Unlock()
	p.more.Broadcast()
}

// patiently posts t and waits for room in the loop's queue, for as long as
// there are loops: what it carries has a counterpart there that would wait for
// ever. False means that over was closed. Not for loops, which must not wait.
func patiently(over <-chan struct{}, l poller.Loop, t poller.Task) bool {
	for wait := time.Millisecond; !l.Post(t); wait = min(2*wait, 100*time.Millisecond) {
		select {
		case <-over:
			return false
		case <-time.After(wait):
		}
	}
	return true
}
