package server

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"time"
)

// Stats reads what the server says of itself.
func (s *Server) Stats(_ context.Context, args StatsArgs) (Stats, error) {
	if args.GC {
		debug.FreeOSMemory() // collects first
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	counters, err := s.gather()
	return Stats{
		Ledger: s.comet.Ledger(), Metrics: counters, Engine: s.engine.Stats(),
		Heap: int64(m.HeapAlloc), HeapInUse: int64(m.HeapInuse), Stacks: int64(m.StackInuse),
		Goroutines: runtime.NumGoroutine(), GCs: m.NumGC,
		LongestStop: longestStop(),
		GCPauses:    time.Duration(m.PauseTotalNs), GCPauseMax: time.Duration(slices.Max(m.PauseNs[:])),
	}, err
}

// gather reads the gauges and counters of the registry.
func (s *Server) gather() (map[string]float64, error) {
	families, err := s.metrics.Gather()
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := make([]string, len(m.GetLabel()))
			for i, l := range m.GetLabel() {
				labels[i] = fmt.Sprintf("%s=%q", l.GetName(), l.GetValue())
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.GetCounter() != nil:
				all[name] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				all[name] = m.GetGauge().GetValue()
			}
		}
	}
	return all, nil
}

// longestStop reads the upper bound of the histogram's highest bucket that is
// not empty.
func longestStop() time.Duration {
	stops := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(stops)
	h := stops[0].Value.Float64Histogram()
	for i := len(h.Counts) - 1; i >= 0; i-- {
		if h.Counts[i] > 0 {
			return time.Duration(h.Buckets[i+1] * float64(time.Second))
		}
	}
	return 0
}
