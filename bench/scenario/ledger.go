package scenario

import (
	"context"
	"time"

	"github.com/oortim/oort/bench/server"
)

// account is what became of the messages that were pushed since it was opened,
// by the comet's own ledger: each message ends once for each link concerned.
type account struct {
	g      *rig
	before server.Stats
}

func (g *rig) openAccount(ctx context.Context) (a account, err error) {
	a.g = g
	a.before, err = g.server.Stats(ctx, server.StatsArgs{})
	return a, err
}

// close waits until all of concerns have ended, and returns how. If they do
// not within grace, or more end than there were, that is a fault.
//
// The comet says how many links a message concerns when it routes it; a link
// that leaves or joins before its loop gets to the message makes that one wrong.
// So where links come and go the two may differ by as many as did, moved.
func (a account) close(ctx context.Context, concerns, moved int64) (ended map[string]uint64, after server.Stats, err error) {
	last, still := int64(-1), time.Now()
	for end := time.Now().Add(a.g.grace); ; {
		if after, err = a.g.server.Stats(ctx, server.StatsArgs{}); err != nil {
			return nil, after, err
		}
		var sum int64
		if ended, sum = since(a.before.Ledger, after.Ledger); sum != last {
			last, still = sum, time.Now()
		}
		off := max(sum-concerns, concerns-sum)
		if off == 0 || off <= moved && time.Since(still) >= quietTime {
			return ended, after, nil
		}
		if time.Now().After(end) {
			a.g.Case.Fault("the comet's ledger knows what became of %d messages × links, pushed were %d: %v", sum, concerns, ended)
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
