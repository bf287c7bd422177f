package comet

import (
	"context"
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
	connects []request    // guarded by mu; oldest first
	overdue  *time.Timer  // guarded by mu; runs while connects wait
	gone     []Disconnect // guarded by mu
	open     bool         // guarded by mu: the comet is registered
	resting  bool         // guarded by mu: disconnects failed lately
	ended    bool         // guarded by mu
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
	p.connects = append(p.connects, r)
	if p.overdue == nil {
		p.overdue = time.AfterFunc(p.timeout, p.giveUp)
	}
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
	p.gone = append(p.gone, list...)
	if over := len(p.gone) - goneMost; over > 0 {
		p.gone = p.gone[over:]
		p.lost.Add(uint64(over))
	}
}

// giveUp answers the connects that have waited too long for an exchange.
func (p *pump) giveUp() {
	for _, r := range p.late() {
		p.answer(r, &Connected{Status: StatusUnavailable, Message: "logic is away or behind"})
	}
}

// late takes the overdue connects out and sets the timer for the next.
func (p *pump) late() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, now := 0, time.Now()
	for n < len(p.connects) && now.Sub(p.connects[n].since) >= p.timeout {
		n++
	}
	late := p.connects[:n:n]
	p.connects = p.connects[n:]
	if len(p.connects) == 0 {
		p.overdue = nil
		return late
	}
	p.overdue.Reset(p.timeout - now.Sub(p.connects[0].since))
	return late
}

// take waits for work; ok is false when the pump has ended and nothing is
// left.
func (p *pump) take() (connects []request, gone []Disconnect, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.workLocked() {
		if p.ended {
			return nil, nil, false
		}
		p.more.Wait()
	}
	connects, p.connects = split(p.connects)
	if !p.resting || p.ended {
		gone, p.gone = split(p.gone)
	}
	return connects, gone, true
}

func (p *pump) workLocked() bool {
	if p.ended {
		return len(p.gone) > 0
	}
	return p.open && (len(p.connects) > 0 || len(p.gone) > 0 && !p.resting)
}

func split[T any](list []T) (head, tail []T) {
	n := min(len(list), pumpBatch)
	if n == len(list) {
		return list, nil
	}
	return list[:n:n], list[n:]
}

// run works until end; start as many as pumpWorkers.
func (p *pump) run(ctx context.Context) {
	for {
		connects, gone, ok := p.take()
		if !ok {
			return
		}
		connects = p.screen(connects)
		if len(connects)+len(gone) > 0 {
			p.exchange(ctx, connects, gone)
		}
	}
}

// screen answers the connects that the door turns away and returns the others.
// It is here and not in the loops, since checking a signature takes as long as
// tens of writes.
func (p *pump) screen(requests []request) (rest []request) {
	if p.door == nil {
		return requests
	}
	for _, r := range requests {
		if c, refused := p.door.Refuse(&r.Connect); refused {
			p.answer(r, &c)
			continue
		}
		rest = append(rest, r)
	}
	return rest
}

func (p *pump) exchange(ctx context.Context, requests []request, gone []Disconnect) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	connects := make([]Connect, len(requests))
	for i := range requests {
		connects[i] = requests[i].Connect
	}
	results, err := p.logic.Sessions(ctx, connects, gone)
	if err != nil && len(gone) > 0 {
		p.putBack(gone)
	}
	for i, r := range requests {
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
	p.connects = nil
	if p.overdue != nil {
		p.overdue.Stop()
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
