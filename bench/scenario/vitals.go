package scenario

import (
	"context"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
)

// vitals are what the server's process occupies.
type vitals struct {
	at          time.Duration // since the soak began
	standing    int64         // RSS as it stood
	rss         int64         // after a collection that gave memory back
	heap        int64
	goroutines  int
	descriptors int
	threads     int
	gcMost      time.Duration
}

func (s *soaking) examine(ctx context.Context) (v vitals, err error) {
	process := measure.OpenProcess(s.server.Pid())
	before, err := process.Memory()
	if err != nil {
		return v, err
	}
	stats, err := s.server.Stats(ctx, server.StatsArgs{GC: true})
	if err != nil {
		return v, err
	}
	after, err := process.Memory()
	if err != nil {
		return v, err
	}
	held, err := process.Holdings()
	return vitals{
		standing: before.RSS, rss: after.RSS, heap: stats.Heap, goroutines: stats.Goroutines,
		descriptors: held.Descriptors, threads: held.Threads, gcMost: stats.GCPauseMax,
	}, err
}

// vital is one of the vitals, and how much of it may come without being a leak.
type vital struct {
	name, unit string
	of         func(vitals) float64
	share      float64 // of what there was early
	atLeast    float64
}

// The heap is read after a collection, but pools and queues have the size of the
// worst second so far, which on a busy machine may come late; pages are given back by whole spans, so RSS is coarser, and as it
// stands it has the garbage of some seconds. A thread that the runtime has
// started it keeps.
var allVitals = []vital{
	{"RSS", "B", func(v vitals) float64 { return float64(v.rss) }, .03, 2 << 20},
	{"RSS before collection", "B", func(v vitals) float64 { return float64(v.standing) }, .10, 8 << 20},
	{"heap", "B", func(v vitals) float64 { return float64(v.heap) }, .05, 512 << 10},
	{"descriptors", "", func(v vitals) float64 { return float64(v.descriptors) }, 0, 0},
	{"goroutines", "", func(v vitals) float64 { return float64(v.goroutines) }, 0, 0},
	{"threads", "", func(v vitals) float64 { return float64(v.threads) }, 0, 2},
}

// judge says what has grown: its late readings lie above the early ones by more
// than may come, and its slope above zero beyond the noise; see measure.Trend.
func (s *soaking) judge() {
	c := s.Case
	var seconds []float64
	for _, v := range s.vitals {
		seconds = append(seconds, v.at.Seconds())
	}
	for _, what := range allVitals {
		var values []float64
		for _, v := range s.vitals {
			values = append(values, what.of(v))
		}
		c.Trace(report.Timeline{Name: what.name, Unit: what.unit, Seconds: seconds, Values: values})
		if t, ok := measure.TrendOf(seconds, values); ok {
			what.report(c, t)
		}
	}
}

func (what vital) report(c *report.Case, t measure.Trend) {
	c.Add(what.name+" early", what.unit, "", t.Early)
	c.Add(what.name+" late", what.unit, "", t.Late)
	c.Add(what.name+" slope", what.unit+"/h", "", t.Slope*time.Hour.Seconds())
	if slack := max(what.atLeast, what.share*t.Early); t.Grows(slack) {
		c.Fault("%s grows: %.0f early, %.0f late, %.0f an hour (at least %.0f), and %.0f may come",
			what.name, t.Early, t.Late, t.Slope*time.Hour.Seconds(), t.Low*time.Hour.Seconds(), slack)
	}
}
