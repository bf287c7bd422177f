package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/swarm"
)

// delivery is a stream of messages, pushed and received.
type delivery struct {
	pushed   server.PushReply
	expected int64 // messages × links
	got      swarm.Counts
	used     cpu
	took     time.Duration     // until all had arrived
	ledger   map[string]uint64 // of these messages
	writes   float64           // of blocks to links, as the comet counts
	gcPause  time.Duration     // longest in the server since its start
}

// deliver pushes args to the links, which are all in one of args.Rooms, and
// waits until all has arrived; what has not is a fault, as is everything else
// that is not as it should be.
func (g *rig) deliver(ctx context.Context, args server.PushArgs) (d delivery, err error) {
	g.run++
	args.Run = g.run
	if err := g.swarm.Reset(ctx, swarm.ResetArgs{Run: g.run}); err != nil {
		return d, err
	}
	before, err := g.server.Stats(ctx, server.StatsArgs{})
	if err != nil {
		return d, err
	}
	var each int64
	d.used, d.took, err = g.spent(func() error {
		if d.pushed, err = g.server.Push(ctx, args); err != nil {
			return err
		}
		each = d.pushed.Messages / int64(max(args.Rooms, 1))
		d.expected = int64(g.links) * each
		return g.settle(ctx, d.expected)
	})
	if err != nil {
		return d, err
	}
	if d.got, err = g.swarm.Counts(ctx); err != nil {
		return d, err
	}
	after, err := g.server.Stats(ctx, server.StatsArgs{})
	if err != nil {
		return d, err
	}
	d.compare(before, after)
	g.check(d.got, d.expected, each)
	d.checkLedger(g)
	return d, nil
}

// writesMetric counts what the comet's rooms write.
const writesMetric = "oort_comet_writes_total"

func (d *delivery) compare(before, after server.Stats) {
	d.ledger = map[string]uint64{}
	for outcome, n := range after.Ledger {
		d.ledger[outcome] = n - before.Ledger[outcome]
	}
	d.writes = after.Metrics[writesMetric] - before.Metrics[writesMetric]
	d.gcPause = after.GCPauseMax
}

// check compares what the swarm has got with what it should have.
func (g *rig) check(got swarm.Counts, expected, each int64) {
	if got.Messages != expected {
		g.Case.Fault("%d of %d messages delivered", got.Messages, expected)
	}
	if got.Gaps+got.Doubles+got.Wrong > 0 {
		g.Case.Fault("%d messages passed over, %d doubled or out of order, %d wrong", got.Gaps, got.Doubles, got.Wrong)
	}
	if got.Steady > 0 && (got.Least != each || got.Most != each) {
		g.Case.Fault("links got %d to %d messages instead of %d", got.Least, got.Most, each)
	}
	if len(got.Lost) > 0 || len(got.Failed) > 0 {
		g.Case.Fault("links ended: %v, were not let in: %v", got.Lost, got.Failed)
	}
}

// checkLedger has the comet tell the same story as the swarm.
func (d *delivery) checkLedger(g *rig) {
	for outcome, n := range d.ledger {
		want := uint64(0)
		if outcome == "delivered" {
			want = uint64(d.expected)
		}
		if n != want {
			g.Case.Fault("the comet's ledger says %d %s, expected %d", n, outcome, want)
		}
	}
	if d.pushed.Concerns != d.expected {
		g.Case.Fault("the comet routed to %d links × messages, expected %d", d.pushed.Concerns, d.expected)
	}
}

// bare sends what args describe by bare system calls on the server's sockets,
// and returns what that cost. The swarm must get it like any messages.
func (g *rig) bare(ctx context.Context, args server.PushArgs) (f server.FloorReply, err error) {
	g.run++
	args.Run = g.run
	if err := g.swarm.Reset(ctx, swarm.ResetArgs{Run: g.run}); err != nil {
		return f, err
	}
	if f, err = g.server.Floor(ctx, args); err != nil || f.Sockets == 0 {
		return f, err
	}
	if f.Sockets != g.links || f.Short > 0 {
		return f, fmt.Errorf("floor: %d sockets of %d links, %d calls short", f.Sockets, g.links, f.Short)
	}
	expected := int64(g.links) * f.Messages
	if err := g.settle(ctx, expected); err != nil {
		return f, err
	}
	got, err := g.swarm.Counts(ctx)
	if err != nil {
		return f, err
	}
	g.check(got, expected, f.Messages)
	return f, nil
}

// per is a time a thing, in microseconds.
func per[N int | int64 | float64](d time.Duration, n N) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(n)
}

// a second.
func perSecond[N int | int64 | float64](n N, d time.Duration) float64 {
	return float64(n) / d.Seconds()
}
