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
func (a account) close(ctx context.Context, concerns int64) (ended map[string]uint64, after server.Stats, err error) {
	for end := time.Now().Add(a.g.grace); ; {
		if after, err = a.g.server.Stats(ctx, server.StatsArgs{}); err != nil {
			return nil, after, err
		}
		var sum uint64
		ended, sum = since(a.before.Ledger, after.Ledger)
		if int64(sum) == concerns {
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
func since(before, after map[string]uint64) (more map[string]uint64, sum uint64) {
	more = map[string]uint64{}
	for outcome, n := range after {
		if d := n - before[outcome]; d > 0 {
			more[outcome] = d
			sum += d
		}
	}
	return more, sum
}
