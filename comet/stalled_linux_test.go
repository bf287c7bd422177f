//go:build linux

package comet

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStalledThird measures how long a push to a room of 600 takes until
// all who read have it, while all read and while a third has stopped; p99 of
// each and their ratio.
func BenchmarkStalledThird(b *testing.B) {
	c := gather(b, 600)
	stalled := c.clients[400:]
	for _, fd := range stalled {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
	}
	all := c.latencies(b, len(c.clients))
	pad := strings.Repeat("x", 32<<10)
	for fed := 0; ; fed++ {
		before := c.Ledger()["delivered"]
		c.pushRoom("live://1", 1000, pad)
		c.await(before+400, func() { drainAll(c.clients[:400]) })
		if got := c.Ledger()["delivered"] - before; got == 400 && fed > 3 {
			break
		}
		if fed == 2000 {
			b.Fatal("the third takes everything")
		}
	}
	rest := c.latencies(b, 400)
	b.ReportMetric(float64(quantile(all, 0.99).Microseconds()), "µs-p99-all-read")
	b.ReportMetric(float64(quantile(rest, 0.99).Microseconds()), "µs-p99-third-stalled")
	b.ReportMetric(float64(quantile(rest, 0.99))/float64(quantile(all, 0.99)), "ratio")
}

// latencies are the times of pushes until so many members have them.
func (c *crowd) latencies(b *testing.B, readers int) (list []time.Duration) {
	body := strings.Repeat("x", 100)
	for range 500 {
		before := c.Ledger()["delivered"]
		begun := time.Now()
		c.pushRoom("live://1", 1000, body)
		c.await(before+uint64(readers), func() {})
		list = append(list, time.Since(begun))
		drainAll(c.clients[:readers])
	}
	return list
}

// await spins until so many messages are delivered.
func (c *crowd) await(delivered uint64, meanwhile func()) {
	for c.Ledger()["delivered"] < delivered {
		meanwhile()
		time.Sleep(20 * time.Microsecond)
	}
}

func quantile(list []time.Duration, q float64) time.Duration {
	slices.Sort(list)
	return list[int(float64(len(list)-1)*q)]
}
