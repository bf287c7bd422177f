//go:build linux

package comet

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/pushpb"
)

// BenchmarkManyLoops measures how long a push to a room of one takes while a
// room that lies on all of many more loops than processors is being written to
// without pause.
func BenchmarkManyLoops(b *testing.B) {
	for _, engine := range []string{"epoll", "epoll+locked"} {
		b.Run(engine, func(b *testing.B) {
			c := &crowd{rig: open(b, engine, func(cfg *Config) {
				cfg.Loops = 32
				cfg.Engine = func(o poller.Options) (poller.Engine, error) { return engines.Open(engine, o) }
				cfg.Limits.Room.MaxLatency = time.Millisecond
			})}
			defer c.hangUp(b)
			c.join(b, 6400, "live://huge")
			alone := c.rig.dial(false)
			alone.auth("alone", "live://alone")
			c.drain()
			stop, stopped := make(chan struct{}), make(chan struct{})
			go c.storm(stop, stopped)
			var list []time.Duration
			for i := range 300 {
				time.Sleep(3 * time.Millisecond)
				begun := time.Now()
				c.pushOn(1, "live://alone", fmt.Sprint(i))
				alone.want(1000, 0, fmt.Sprint(i))
				list = append(list, time.Since(begun))
			}
			close(stop)
			<-stopped
			b.ReportMetric(float64(quantile(list, 0.5).Microseconds()), "µs-p50")
			b.ReportMetric(float64(quantile(list, 0.99).Microseconds()), "µs-p99")
			b.ReportMetric(float64(runtime.GOMAXPROCS(0)), "procs")
		})
	}
}

// storm pushes to the huge room as fast as it goes.
func (c *crowd) storm(stop, stopped chan struct{}) {
	defer close(stopped)
	body := strings.Repeat("x", 20)
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		before := c.Ledger()["delivered"]
		c.pushOn(2, "live://huge", body)
		c.await(before+uint64(len(c.clients))/2, func() {})
		if n%20 == 19 {
			c.drain()
		}
	}
}

// pushOn pushes as a record of a partition of its own.
func (c *crowd) pushOn(partition int32, room, body string) {
	p := &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: room, Op: 1000, Body: []byte(body)}
	if _, err := c.Apply(context.Background(), Partition{Number: partition}, []Record{{Offset: time.Now().UnixNano(), Push: p}}); err != nil {
		c.t.Error(err)
	}
}
