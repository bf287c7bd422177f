// Package tune sets Go's runtime to what a process needs that holds a comet, or
// that answers many short requests out of a small heap, as logic does.
package tune

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector runs when garbage has come to this share of what lives, in
// percent. What a collection costs beside two stops of the world is nothing
// that grows with the links, as their records have no pointers; what it gives
// back is the garbage since the last. So it is the bytes of garbage that are
// set, and not the share: headroom, whatever lives, down to leastPercent. Go's
// 100 would let a comet with a million links grow to twice of what it needs while
// they log in; and its 4 MB of a small heap would stop the world all the time.
const (
	leastPercent = 20
	mostPercent  = 400
	headroom     = 64 << 20
)

// beat is how often the share is set anew.
const beat = time.Second

// Collector sets the collector's share by the size of the heap, until stop is
// called, which restores what was. It does nothing where GOGC says what the
// operator wants.
func Collector() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	was := debug.SetGCPercent(mostPercent)
	go func() {
		defer close(done)
		follow(ctx)
	}()
	return func() {
		cancel()
		<-done
		debug.SetGCPercent(was)
	}
}

func follow(ctx context.Context) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	now := mostPercent
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		if next := percent(live[0].Value.Uint64()); next != now {
			debug.SetGCPercent(next)
			now = next
		}
	}
}

// percent is the share for a heap of so many bytes, in steps of two
// fifths, since setting it stops the world.
func percent(live uint64) int {
	p := float64(headroom) / float64(max(live, 1)) * 100
	step := math.Pow(1.4, math.Floor(math.Log(p)/math.Log(1.4)))
	return int(min(max(step, leastPercent), mostPercent))
}
