package scenario

import (
	"context"
	"time"

	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/swarm"
)

// trial is a measurement that goes on: what swarm, comet and kernel have
// counted when it began.
type trial struct {
	g      *rig
	run    uint32 // for the stamps of what is pushed
	before server.Stats
	began  cpu
	start  time.Time
}

func (g *rig) begin(ctx context.Context) (t trial, err error) {
	g.run++
	t = trial{g: g, run: g.run}
	if err = g.swarm.Reset(ctx, swarm.ResetArgs{Run: g.run}); err != nil {
		return t, err
	}
	if t.before, err = g.server.Stats(ctx, server.StatsArgs{}); err != nil {
		return t, err
	}
	t.began, err = g.cpu()
	t.start = time.Now()
	return t, err
}

// soFar is what the processes have used and how long it took.
func (t trial) soFar() (used cpu, took time.Duration, err error) {
	now, err := t.g.cpu()
	return now.since(t.began), time.Since(t.start), err
}

// close waits until all of concerns, messages × links, have ended by the
// comet's own ledger, and returns how. If they do
// not within grace, or more end than there were, that is a fault.
//
// The comet says how many links a message concerns when it routes it; a link
// that leaves or joins before its loop gets to the message makes that one wrong.
// So where links come and go the two may differ by as many as did, moved.
func (t trial) close(ctx context.Context, concerns, moved int64) (ended map[string]uint64, after server.Stats, err error) {
	last, still := int64(-1), time.Now()
	for end := time.Now().Add(t.g.grace); ; {
		if after, err = t.g.server.Stats(ctx, server.StatsArgs{}); err != nil {
			return nil, after, err
		}
		var sum int64
		if ended, sum = since(t.before.Ledger, after.Ledger); sum != last {
			last, still = sum, time.Now()
		}
		off := max(sum-concerns, concerns-sum)
		if off == 0 || off <= moved && time.Since(still) >= quietTime {
			return ended, after, nil
		}
		if time.Now().After(end) {
			t.g.Case.Fault("the comet's ledger knows what became of %d messages × links, pushed were %d: %v", sum, concerns, ended)
			return ended, after, nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return nil, after, err
		}
	}
}

// since is how much more after has than before, and how much in all.
func since(before, after map[string]uint64) (more map[string]uint64, sum int64) {
	more = map[string]uint64{}
	for outcome, n := range after {
		if d := n - before[outcome]; d > 0 {
			more[outcome] = d
			sum += int64(d)
		}
	}
	return more, sum
}
