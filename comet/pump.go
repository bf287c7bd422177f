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
)

// request is a connect and the link that waits for it.
type request struct {
	Connect
	loop poller.Loop
	id   poller.ID
}

// pump carries connects and disconnects to logic in batches: whatever waits
// when a worker is free goes in one exchange, so a lone connect does not wait
// and a storm costs few calls. First come, first served; the loops bound what
// they put in.
type pump struct {
	logic   Logic
	timeout time.Duration
	lost    *atomic.Uint64 // disconnects forgotten

	mu       sync.Mutex
	more     *sync.Cond
	connects []request    // guarded by mu
	gone     []Disconnect // guarded by mu
	resting  bool         // guarded by mu: disconnects failed lately
	ended    bool         // guarded by mu
}

func newPump(l Logic, timeout time.Duration, lost *atomic.Uint64) *pump {
	p := &pump{logic: l, timeout: timeout, lost: lost}
	p.more = sync.NewCond(&p.mu)
	return p
}

func (p *pump) connect(r request) {
	p.mu.Lock()
	p.connects = append(p.connects, r)
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

// take waits for work; ok is false when the pump has ended and nothing is
// left.
func (p *pump) take() (connects []request, gone []Disconnect, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.connects) == 0 && (len(p.gone) == 0 || p.resting) {
		if p.ended {
			return nil, nil, false
		}
		p.more.Wait()
	}
	connects, p.connects = split(p.connects)
	if !p.resting {
		gone, p.gone = split(p.gone)
	}
	return connects, gone, true
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
		p.exchange(ctx, connects, gone)
	}
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
		patiently(r.loop, poller.Task{Kind: taskConnected, ID: r.id, Arg: r.Link, Ref: c})
	}
}

// putBack keeps disconnects that failed and lets them rest for a second; at the
// end there is no second try, and their sessions end by their time to live.
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
	time.AfterFunc(time.Second, func() {
		p.mu.Lock()
		p.resting = false
		p.mu.Unlock()
		p.more.Signal()
	})
}

// end lets the workers finish what waits and return.
func (p *pump) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.more.Broadcast()
}

// patiently posts t and waits for room in the loop's queue. For goroutines that
// may wait; a loop that ended takes nothing any more, and need not.
func patiently(l poller.Loop, t poller.Task) {
	for wait := time.Millisecond; !l.Post(t) && wait < 10*time.Second; wait *= 2 {
		time.Sleep(wait)
	}
}
