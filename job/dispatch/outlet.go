package dispatch

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/oortim/oort/deploy/fault"
	"github.com/oortim/oort/job"
)

// outlet is the dispatcher of one comet.
type outlet struct {
	cfg      Config          // immutable
	metrics  *metrics        // immutable
	server   job.ServerID    // immutable
	relieved func()          // immutable
	ctx      context.Context // immutable; ends with Close
	close    context.CancelFunc
	ended    sync.WaitGroup // the goroutines of start

	answers atomic.Uint64 // batches answered

	wake  chan struct{} // there may be something to send; of the stream's writer
	moved chan struct{} // the address has changed; of the connecting loop

	mu       sync.Mutex
	located  bool               // guarded by mu
	addr     string             // guarded by mu; what Dial makes of it, so perhaps empty
	refused  bool               // guarded by mu
	cut      context.CancelFunc // guarded by mu; ends the stream; nil unless attached
	maxBytes int                // guarded by mu; of a batch, as the comet said

	seq     uint64            // guarded by mu; deliveries offered
	batches uint64            // guarded by mu; batches made
	lanes   map[laneKey]*lane // guarded by mu
	ready   []*lane           // guarded by mu; have items and nothing in flight
	flights map[uint64]*batch // guarded by mu; by seq
	repeat  []*batch          // guarded by mu; in flight, to be sent again
	records int               // guarded by mu; waiting or in flight
	bytes   int               // guarded by mu; of those
	full    bool              // guarded by mu; bytes passed half of the bound
	rooms   rooms             // guarded by mu
}

var _ job.Outlet = (*outlet)(nil)

func newOutlet(cfg Config, m *metrics, c job.OutletConfig) *outlet {
	ctx, cancel := context.WithCancel(context.Background())
	return &outlet{
		cfg: cfg, metrics: m, server: c.Server, relieved: c.Relieved,
		ctx: ctx, close: cancel,
		wake:    make(chan struct{}, 1),
		moved:   make(chan struct{}, 1),
		lanes:   make(map[laneKey]*lane),
		flights: make(map[uint64]*batch),
	}
}

func (o *outlet) start() {
	o.ended.Go(o.connect)
	o.ended.Go(o.hold)
}

// Locate implements job.Outlet.
func (o *outlet) Locate(addr string) {
	o.mu.Lock()
	changed := !o.located || o.addr != addr
	if changed {
		o.located, o.addr, o.refused = true, addr, false
	}
	o.mu.Unlock()
	if changed {
		signal(o.moved)
	}
}

// Missing implements job.Outlet.
func (o *outlet) Missing(seq uint64) (alive, idle bool) {
	o.mu.Lock()
	if o.cut != nil {
		o.mu.Unlock()
		return true, false
	}
	o.located = false
	verdicts := o.dropLocked(job.ReasonClosed, func(it item) bool { return it.seq <= seq })
	verdicts = append(verdicts, o.abandonLocked(job.ReasonClosed, func(b *batch) bool {
		return b.items[len(b.items)-1].seq <= seq
	})...)
	idle = o.records == 0
	relieved := o.settleLocked()
	o.mu.Unlock()
	o.finish(verdicts, relieved)
	return false, idle
}

// Offer implements job.Outlet.
func (o *outlet) Offer(deliveries []job.Delivery) {
	now := o.cfg.Now()
	o.mu.Lock()
	var verdicts []verdict
	for _, d := range deliveries {
		o.seq++
		it := item{Delivery: d, seq: o.seq, at: now}
		it.begin(o)
		if o.refused {
			verdicts = append(verdicts, verdict{it, job.Outcome{Drop: job.ReasonClosed, Unsent: true}})
			continue
		}
		o.takeLocked(it)
	}
	verdicts = append(verdicts, o.overflowLocked()...)
	relieved := o.settleLocked()
	sendable := len(o.ready) > 0
	o.mu.Unlock()
	if sendable {
		signal(o.wake)
	}
	o.finish(verdicts, relieved)
}

func (o *outlet) takeLocked(it item) {
	key := keyOf(it.Owner)
	if fault.On(fault.RoundRobin) {
		key.partition += 1000 * int32(it.seq%4)
	}
	l := o.lanes[key]
	if l == nil {
		l = &lane{key: key, held: new(held)}
		o.lanes[key] = l
	}
	l.push(it)
	o.chooseLocked(it) // so that a Sync is on its way when the record's turn comes
	o.countLocked(1, size(it.Delivery))
	o.readyLocked(l)
}

// readyLocked puts a lane that could send in line.
func (o *outlet) readyLocked(l *lane) {
	if l.flight == nil && l.held.drops == 0 && len(l.queue) > 0 && !l.queued && !l.parked {
		l.queued = true
		o.ready = append(o.ready, l)
	}
}

// overflowLocked drops the oldest that wait until the bound holds again.
func (o *outlet) overflowLocked() (verdicts []verdict) {
	for o.bytes > o.cfg.MaxBytes {
		var oldest *lane
		for _, l := range o.lanes {
			if len(l.queue) > 0 && (oldest == nil || l.queue[0].seq < oldest.queue[0].seq) {
				oldest = l
			}
		}
		if oldest == nil {
			return verdicts // everything is in flight
		}
		verdicts = append(verdicts, o.droppedLocked(oldest, o.popLocked(oldest), job.ReasonSlow))
	}
	return verdicts
}

// popLocked takes the oldest of l out of the books.
func (o *outlet) popLocked(l *lane) item {
	it := l.pop()
	o.countLocked(-1, -size(it.Delivery))
	return it
}

// Seq implements job.Outlet.
func (o *outlet) Seq() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seq
}

// Room implements job.Outlet.
func (o *outlet) Room() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.full
}

// Forget implements job.Outlet.
func (o *outlet) Forget(owner job.Owner) {
	o.mu.Lock()
	if l := o.lanes[keyOf(owner)]; l != nil {
		l.held = new(held)
	}
	o.dropLocked(job.ReasonNone, func(it item) bool { return it.Owner == owner })
	for _, b := range o.flights {
		if b.items[0].Owner == owner {
			b.forgot = true
		}
	}
	relieved := o.settleLocked()
	o.mu.Unlock()
	o.finish(nil, relieved)
}

// Close implements job.Outlet.
func (o *outlet) Close() {
	o.close()
	o.ended.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.countLocked(-o.records, -o.bytes)
}

// dropLocked drops the waiting items that match, and says what became of them.
func (o *outlet) dropLocked(reason job.Reason, match func(item) bool) (verdicts []verdict) {
	for key, l := range o.lanes {
		keep := l.queue[:0]
		for _, it := range l.queue {
			if !match(it) {
				keep = append(keep, it)
				continue
			}
			o.countLocked(-1, -size(it.Delivery))
			if reason != job.ReasonNone { // forgotten: nobody hears of it
				verdicts = append(verdicts, o.droppedLocked(l, it, reason))
			}
		}
		clear(l.queue[len(keep):])
		l.queue = keep
		if len(keep) == 0 && l.flight == nil && !l.queued && l.held.drops == 0 {
			delete(o.lanes, key)
		}
	}
	return verdicts
}

// abandonLocked gives batches in flight up that match.
func (o *outlet) abandonLocked(reason job.Reason, match func(*batch) bool) (verdicts []verdict) {
	for seq, b := range o.flights {
		if !match(b) {
			continue
		}
		for _, it := range b.items {
			v := verdict{it, job.Outcome{Drop: reason}}
			if !b.forgot {
				v.outcome.Entered = o.holdLocked(b.lane)
			}
			verdicts = append(verdicts, v)
		}
		o.landLocked(seq, b)
	}
	return verdicts
}

// droppedLocked says that an item of l that was never sent has been dropped.
func (o *outlet) droppedLocked(l *lane, it item, reason job.Reason) verdict {
	return verdict{it, job.Outcome{Drop: reason, Unsent: true, Entered: o.holdLocked(l)}}
}

// holdLocked holds a lane back until what it returns is called.
func (o *outlet) holdLocked(l *lane) (entered func()) {
	h := l.held
	h.drops++
	return func() {
		o.mu.Lock()
		h.drops--
		if h == l.held {
			o.readyLocked(l)
		}
		sendable := len(o.ready) > 0
		o.mu.Unlock()
		if sendable {
			signal(o.wake)
		}
	}
}

// landLocked takes a batch out of the books, and lets its lane go on.
func (o *outlet) landLocked(seq uint64, b *batch) {
	delete(o.flights, seq)
	o.repeat = slices.DeleteFunc(o.repeat, func(r *batch) bool { return r == b })
	b.lane.flight = nil
	o.countLocked(-len(b.items), -b.bytes)
	o.readyLocked(b.lane)
}

func (o *outlet) countLocked(records, bytes int) {
	o.records += records
	o.bytes += bytes
	o.metrics.waiting(records, bytes)
}

// settleLocked decides whether there is room, and reports whether there is again.
func (o *outlet) settleLocked() (relieved bool) {
	was := o.full
	o.full = o.bytes > o.cfg.MaxBytes/2
	return was && !o.full
}

// finish tells outcomes; never under the lock.
func (o *outlet) finish(verdicts []verdict, relieved bool) {
	for _, v := range verdicts {
		v.item.end(v.outcome)
		v.item.Owner.Done(o.server, v.item.Delivery, v.outcome)
	}
	if relieved {
		o.relieved()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
