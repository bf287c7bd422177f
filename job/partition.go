package job

import (
	"context"
	"sync"

	"github.com/oortim/oort/deploy/fault"
	"github.com/oortim/oort/proto/pushpb"
)

// Bounds of one step of Take, so that the check for room comes often enough.
const (
	stepRecords = 256
	stepBytes   = 1 << 20
)

// partition is one tenancy of a partition. It implements Partition for the
// source and Owner for the outlets.
type partition struct {
	job    *Job
	topic  TopicID
	number int32

	mu     sync.Mutex
	open   []entry       // guarded by mu; taken and not finished, in offset order
	first  int64         // guarded by mu; number of open[0]
	last   Position      // guarded by mu; of the last finished record
	any    bool          // guarded by mu; last is set
	closed bool          // guarded by mu
	idle   chan struct{} // guarded by mu; closed when open is empty, nil if nobody waits
}

// entry is a record that some comet has not answered yet, or that waits for one
// before it.
type entry struct {
	at   Position
	left int // comets that have not answered
}

var (
	_ Partition = (*partition)(nil)
	_ Owner     = (*partition)(nil)
)

func newPartition(j *Job, topic TopicID, number int32) *partition {
	return &partition{job: j, topic: topic, number: number}
}

// Partition implements Owner.
func (p *partition) Partition() (TopicID, int32) { return p.topic, p.number }

// Take implements Partition.
func (p *partition) Take(ctx context.Context, records []Record) error {
	for len(records) > 0 {
		if err := p.job.routes.waitRoom(ctx); err != nil {
			return err
		}
		n := step(records)
		p.route(records[:n])
		records = records[n:]
	}
	return nil
}

// step is how many of records are routed at once.
func step(records []Record) int {
	bytes := 0
	for i, r := range records {
		bytes += r.Bytes
		if i == stepRecords || i > 0 && bytes > stepBytes {
			return i
		}
	}
	return len(records)
}

// route decides where records go and offers them.
func (p *partition) route(records []Record) {
	plan := p.job.routes.plan(p)
	defer plan.end()
	now := p.job.now().UnixMicro()
	base := p.begin(len(records))
	counts := make([]int, len(records))
	for i, r := range records {
		p.job.metrics.read(r)
		counts[i] = p.routeOne(plan, r, base+int64(i), now)
	}
	p.admit(base, records, counts)
	plan.offer()
}

// routeOne adds r to the plan and returns how many comets it concerns.
func (p *partition) routeOne(plan *plan, r Record, entry int64, now int64) int {
	d := Delivery{Record: r, Owner: p, Entry: entry}
	switch {
	case invalid(r.Push):
		p.job.metrics.drop(ReasonInvalid)
		return 0
	case r.Push.ExpiresUs != 0 && r.Push.ExpiresUs <= now:
		p.job.metrics.drop(ReasonExpired)
		return 0
	}
	switch r.Push.Kind {
	case pushpb.Kind_KIND_ROOM, pushpb.Kind_KIND_CANCEL:
		return plan.every(d)
	case pushpb.Kind_KIND_ALL:
		return plan.shared(d)
	}
	if r.Push.Server == "" { // any comet may hold the keys
		return plan.every(d)
	}
	return plan.one(ServerID(r.Push.Server), d)
}

// invalid reports whether nobody could be served by p.
func invalid(p *pushpb.Push) bool {
	switch p.GetKind() {
	case pushpb.Kind_KIND_ROOM:
		return p.Room == ""
	case pushpb.Kind_KIND_ALL:
		return p.Speed < 0
	case pushpb.Kind_KIND_KEYS, pushpb.Kind_KIND_KICK:
		return len(p.Keys) == 0
	case pushpb.Kind_KIND_CANCEL:
		return p.Cancel == ""
	default:
		return true
	}
}

// begin reserves the numbers of n entries and returns the first.
func (p *partition) begin(n int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first + int64(len(p.open))
}

// admit enters records whose deliveries are about to be offered.
func (p *partition) admit(base int64, records []Record, counts []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range records {
		p.open = append(p.open, entry{at: r.Position, left: counts[i]})
	}
	p.advanceLocked()
}

// more says that n comets more get the delivery of an entry that is not
// finished.
func (p *partition) more(number int64, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open[number-p.first].left += n
	}
}

// Done implements Owner.
func (p *partition) Done(number int64, o Outcome) {
	p.job.metrics.done(o)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.open[number-p.first].left--
	p.advanceLocked()
}

// advanceLocked moves last over what is finished.
func (p *partition) advanceLocked() {
	n := 0
	for n < len(p.open) && p.open[n].left == 0 {
		p.last, p.any = p.open[n].at, true
		n++
	}
	p.open = p.open[n:]
	p.first += int64(n)
	if len(p.open) == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// Finished implements Partition.
func (p *partition) Finished() (Position, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.open); n > 0 && fault.On(fault.CommitEarly) {
		return p.open[n-1].at, true
	}
	return p.last, p.any
}

// Drain implements Partition.
func (p *partition) Drain(ctx context.Context) error {
	p.mu.Lock()
	if len(p.open) == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements Partition.
func (p *partition) Close() {
	p.mu.Lock()
	p.closed = true
	p.open = nil
	if p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
	p.mu.Unlock()
	p.job.routes.forget(p)
}
