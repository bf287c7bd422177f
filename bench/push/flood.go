package push

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/target"
	"github.com/oortim/oort/client/push"
)

// tally of one pusher; owned by it until it has ended.
type tally struct {
	stored    int64 // messages answered 200
	refused   int64 // surely not stored
	unknown   int64 // perhaps stored
	deliver   int64 // deliveries that the stored ones promise
	perhaps   int64 // those that the unknown ones may add
	firstFail error
}

func (t *tally) count(r *room, err error) {
	switch {
	case err == nil:
		t.stored++
		t.deliver += int64(r.members)
		return
	case errors.Is(err, push.ErrUnknown):
		t.unknown++
		t.perhaps += int64(r.members)
	default:
		t.refused++
	}
	if t.firstFail == nil {
		t.firstFail = err
	}
}

func (t *tally) add(o tally) {
	t.stored, t.refused, t.unknown = t.stored+o.stored, t.refused+o.refused, t.unknown+o.unknown
	t.deliver, t.perhaps = t.deliver+o.deliver, t.perhaps+o.perhaps
	if t.firstFail == nil {
		t.firstFail = o.firstFail
	}
}

// pusher keeps its share of the rate over the rooms that are its own, so that
// there is an order in each room to be checked.
type pusher struct {
	*sender
	rooms    []*room
	every    time.Duration // between requests
	batch    int
	answered *measure.Latency
	tally    tally
}

// run pushes until end. A request that is late is sent at once, and the rate
// is caught up with: what the server cannot take shows in latency and rate.
func (p *pusher) run(ctx context.Context, start, end time.Time) {
	turn := 0
	for at := start; at.Before(end) && ctx.Err() == nil; at = at.Add(p.every) {
		now := time.Now()
		if !now.Before(end) {
			return
		}
		if sleep(ctx, at.Sub(now)) != nil {
			return
		}
		p.request(ctx, at, &turn)
	}
}

// request pushes a batch that was due then: what makes it late, the server
// that has not answered the one before, is part of its latency.
func (p *pusher) request(ctx context.Context, due time.Time, turn *int) {
	pushes := make([]push.Push, p.batch)
	rooms := make([]*room, p.batch)
	for i := range pushes {
		rooms[i] = p.rooms[*turn%len(p.rooms)]
		pushes[i] = p.next(rooms[i], due)
		*turn++
	}
	before := time.Now()
	errs := p.send(ctx, pushes)
	p.answered.Record(time.Since(before))
	for i, err := range errs {
		p.tally.count(rooms[i], err)
	}
}

// send returns what became of each push.
func (p *pusher) send(ctx context.Context, pushes []push.Push) []error {
	errs := make([]error, len(pushes))
	if len(pushes) == 1 {
		errs[0] = p.one(ctx, pushes[0])
		return errs
	}
	results, err := p.api.PushBatch(ctx, pushes)
	for i := range errs {
		if errs[i] = err; err == nil {
			errs[i] = results[i].Err
		}
	}
	return errs
}

// pushAll runs the pushers and returns their sum.
func (f point) pushAll(ctx context.Context, s *sender, answered *measure.Latency) tally {
	n := min(f.Pushers, f.Rooms)
	start := time.Now()
	pushers := make([]*pusher, n)
	var wg sync.WaitGroup
	for i := range pushers {
		p := &pusher{sender: s, batch: f.Batch, answered: answered,
			every: time.Duration(float64(f.Batch*n) / f.rate * float64(time.Second))}
		for j := i; j < len(s.audience.rooms); j += n {
			p.rooms = append(p.rooms, s.audience.rooms[j])
		}
		pushers[i] = p
		stagger := start.Add(p.every * time.Duration(i) / time.Duration(n))
		wg.Go(func() { p.run(ctx, stagger, start.Add(f.Duration)) })
	}
	wg.Wait()
	var sum tally
	for _, p := range pushers {
		sum.add(p.tally)
	}
	return sum
}

// flood measures messages at a rate.
func (f point) flood(ctx context.Context, t *target.Target, s *sender, c *report.Case) error {
	a := s.audience
	a.missing.Store(0) // and never 0 again by deliveries, which only go below
	answered := measure.NewLatency()
	m := startMeter(ctx, t)
	start := time.Since(a.start)
	sum := f.pushAll(ctx, s, answered)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.settle(ctx, sum.deliver+sum.perhaps, f.Grace)
	elapsed := time.Duration(a.last.Load()) - start
	used := m.stop(ctx)
	delivered := a.delivered.Load()

	if used.cpuOK && delivered > 0 {
		c.Add("CPU a delivery", "µs", report.Lower, float64(used.cpu.Microseconds())/float64(delivered))
	}
	c.Add("messages", "/s", report.Higher, perSecond(sum.stored, elapsed))
	a.latencies(c, answered)
	c.Add("delivered", "%", report.Higher, share(delivered, sum.deliver))
	c.Add("deliveries", "/s", "", perSecond(delivered, elapsed))
	if used.writesOK {
		c.Add("writes", "/s", "", perSecond(int64(used.writes), elapsed))
	}
	c.Add("bytes", "B/s", "", perSecond(a.bytes.Load(), elapsed))
	if used.cpuOK {
		c.Add("server CPU", "cores", "", used.cpu.Seconds()/elapsed.Seconds())
	}
	c.Add("refused", "messages", "", float64(sum.refused))
	c.Add("unknown", "messages", "", float64(sum.unknown))
	sum.faults(c, delivered)
	return nil
}

// faults: what was lost, and what the API did not take. A refusal is honest,
// but a run that was refused has not measured the rate that it names.
func (t *tally) faults(c *report.Case, delivered int64) {
	if lost := t.deliver - delivered; lost > 0 {
		c.Fault("%d of %d deliveries were lost", lost, t.deliver)
	}
	if t.firstFail != nil {
		c.Fault("the API refused %d messages and left %d unknown, the first: %v", t.refused, t.unknown, t.firstFail)
	}
}

// settle waits until all has arrived, or nothing has for grace.
func (a *audience) settle(ctx context.Context, all int64, grace time.Duration) {
	const look = 10 * time.Millisecond
	last, quiet := int64(-1), time.Duration(0)
	for quiet < grace && sleep(ctx, look) == nil {
		switch n := a.delivered.Load(); {
		case n >= all:
			return
		case n != last:
			last, quiet = n, 0
		default:
			quiet += look
		}
	}
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
