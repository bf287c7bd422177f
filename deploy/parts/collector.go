package parts

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector runs when garbage has come to this share of what lives, in
// percent. Go's 100 lets a comet with a million links grow to twice of what it
// needs while they log in; what lives there is mostly records without pointers,
// which cost a cycle next to nothing, so a quarter is enough. A small heap is
// let to grow by headroom all the same, for else it would be collected all the
// time.
const (
	leastPercent = 25
	mostPercent  = 400
	headroom     = 32 << 20
)

// collectorBeat is how often the share is set anew.
const collectorBeat = time.Second

// tuneCollector sets the collector's share by the size of the heap until the
// end, unless GOGC says what the operator wants.
func (b *base) tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	was := debug.SetGCPercent(mostPercent)
	go func() {
		defer close(done)
		tuning(ctx)
	}()
	b.opened.add("collector's tuning", func(context.Context) error {
		cancel()
		<-done
		debug.SetGCPercent(was)
		return nil
	})
}

func tuning(ctx context.Context) {
	beat := time.NewTicker(collectorBeat)
	defer beat.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	now := mostPercent
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		metrics.Read(live)
		if next := percent(live[0].Value.Uint64()); next != now {
			debug.SetGCPercent(next)
			now = next
		}
	}
}

// percent is the share for a heap of so many bytes, in steps, so that it is not
// set every time.
func percent(live uint64) int {
	p := float64(headroom) / float64(max(live, 1)) * 100
	step := math.Pow(2, math.Floor(math.Log2(p/leastPercent))) * leastPercent
	return int(min(max(step, leastPercent), mostPercent))
}
