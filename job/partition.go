package job

import (
	"context"
	"sync"
	"time"

	"github.com/oortim/oort/deploy/fault"
	"github.com/oortim/oort/proto/dropped"
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
	job    *Job      // immutable
	topic  TopicID   // immutable
	number int32     // immutable
	since  time.Time // immutable; when the tenancy began

	mu     sync.Mutex
	open   []entry       // guarded by mu; taken and not finished, in offset order
	first  int64         // guarded by mu; number of open[0]
	last   Position      // guarded by mu; of the last finished record
	any    bool          // guarded by mu; last is set
	closed bool          // guarded by mu
	idle   chan struct{} // guarded by mu; closed when open is empty, nil if nobody waits
}

// entry is a record that is not finished, or that waits for one before it.
type entry struct {
	at   Position
	left int // comets that have not answered, and drops and followers that are not stored
}

var (
	_ Partition = (*partition)(nil)
	_ Owner     = (*partition)(nil)
)

func newPartition(j *Job, topic TopicID, number int32) *partition {
	return &partition{job: j, topic: topic, number: number, since: j.now()}
}

// Partition implements Owner.
func (p *partition) Partition() (TopicID, int32) { return p.topic, p.number }

// Take implements Partition.
func (p *partition) Take(ctx context.Context, records []Record) error {
	for len(records) > 0 {
		if err := p.job.waitRoom(ctx); err != nil {
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
	reasons := make([]Reason, len(records))
	for i, r := range records {
		p.job.metrics.read(r)
		if reasons[i] = unfit(r.Push, now); reasons[i] != ReasonNone {
			counts[i] = 1 // its drop
			continue
		}
		counts[i] = p.routeOne(plan, Delivery{Record: r, Owner: p, Entry: base + int64(i)})
	}
	p.admit(base, records, counts)
	for i, reason := range reasons {
		if reason != ReasonNone {
			p.drop("", records[i], base+int64(i), records[i].Push.GetKeys(), Outcome{Drop: reason})
		}
	}
	plan.offer()
}

// routeOne adds d to the plan and returns how many comets it concerns.
func (p *partition) routeOne(plan *plan, d Delivery) int {
	switch d.Push.Kind {
	case pushpb.Kind_KIND_ROOM, pushpb.Kind_KIND_CANCEL:
		return plan.every(d)
	case pushpb.Kind_KIND_ALL:
		return plan.shared(d)
	}
	if d.Push.Server == "" { // any comet may hold the keys
		return plan.every(d)
	}
	return plan.one(ServerID(d.Push.Server), d)
}

// unfit says why p goes to no comet at all, if so.
func unfit(p *pushpb.Push, now int64) Reason {
	switch {
	case invalid(p):
		return ReasonInvalid
	case p.ExpiresUs != 0 && p.ExpiresUs <= now:
		return ReasonExpired
	}
	return ReasonNone
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

// more says that n things more are to be settled for an entry that is not
// finished: comets that get its delivery, too, or drops of it.
func (p *partition) more(number int64, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open[number-p.first].left += n
	}
}

// Done implements Owner.
func (p *partition) Done(comet ServerID, d Delivery, o Outcome) {
	p.job.metrics.done(o)
	switch {
	case p.gone():
	case o.Drop == ReasonClosed && p.follows(d.Record, o):
		p.follow(comet, d, d.Push.Keys)
	case o.Drop != ReasonNone:
		p.drop(comet, d.Record, d.Entry, d.Push.GetKeys(), o)
	case len(o.Missing) == 0 || d.Push.Kind != pushpb.Kind_KIND_KEYS || d.Push.Server == "":
		p.settle(d.Entry)
	case p.job.follow.can(d.Record):
		p.follow(comet, d, o.Missing)
	case d.Push.Moved:
		p.drop(comet, d.Record, d.Entry, o.Missing, Outcome{Drop: ReasonMoved})
	default:
		p.drop(comet, d.Record, d.Entry, o.Missing, Outcome{Drop: ReasonClosed})
	}
}

// follows reports whether a push that was dropped because its comet has gone
// follows its keys. It does only if no job can have sent it there: what was sent
// may have been delivered, and would be seen twice. This job has not; and before
// this tenancy the push was not made.
func (p *partition) follows(r Record, o Outcome) bool {
	return o.Unsent && p.job.follow.can(r) && r.Push.AcceptedUs > p.since.UnixMicro()
}

// follow sends a push after keys; the entry of its delivery waits for that.
func (p *partition) follow(comet ServerID, d Delivery, keys []string) {
	p.job.follow.queue.add(straggler{p, d.Entry, comet, d.Record, keys})
}

// drop counts a push as dropped for comet ("": for all), of keys if it is to
// keys, and brings that into the ledger. The entry numbered waits for it.
func (p *partition) drop(comet ServerID, r Record, number int64, keys []string, o Outcome) {
	p.job.metrics.drop(o.Drop)
	e := dropped.Of(r.Push)
	e.Comet, e.Keys, e.Reason = string(comet), keys, o.Drop.String()
	e.Partition, e.Offset = p.number, r.Offset
	p.job.drops.add(drop{p, number, e, o.Entered})
}

// settle tells that one thing which the entry numbered waited for has been done;
// false if the partition has been closed.
func (p *partition) settle(number int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.open[number-p.first].left--
	p.advanceLocked()
	return true
}

// gone reports whether the partition has been closed.
func (p *partition) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
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
