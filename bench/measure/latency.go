// Package measure holds the instruments of the scenarios.
package measure

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// What a Latency can tell apart: microseconds to a minute, three digits. It
// takes 200 KB, so there is one for many links.
const (
	shortest = time.Microsecond
	longest  = time.Minute
	digits   = 3
)

// Latency gathers durations from many goroutines.
type Latency struct {
	mu   sync.Mutex // guards hist
	hist *hdrhistogram.Histogram
}

// NewLatency is empty.
func NewLatency() *Latency {
	return &Latency{hist: hdrhistogram.New(int64(shortest), int64(longest), digits)}
}

// Record adds d; what is longer than a minute counts as a minute.
func (l *Latency) Record(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.hist.RecordValue(int64(min(max(d, 0), longest))) // in range
}

// Reset forgets what was recorded.
func (l *Latency) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hist.Reset()
}

// Summary of what was recorded.
type Summary struct {
	Count               int64
	P50, P90, P99, P999 time.Duration
	Max                 time.Duration
}

// Summary up to now.
func (l *Latency) Summary() Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hist.TotalCount() == 0 {
		return Summary{}
	}
	at := func(percent float64) time.Duration { return time.Duration(l.hist.ValueAtPercentile(percent)) }
	return Summary{
		Count: l.hist.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: time.Duration(l.hist.Max()),
	}
}
