package publish

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

// BenchmarkLonePush measures one push at a time on an idle system.
func BenchmarkLonePush(b *testing.B) {
	br := startBroker(b, broker.Config{DataDir: b.TempDir()})
	k := open(b, Config{Brokers: kafka.At(br.Addr())})
	var took []time.Duration
	for i := range b.N {
		time.Sleep(2 * time.Millisecond) // idle in between
		p := []*pushpb.Push{room("1", fmt.Sprintf("test://%d", i%32))}
		start := time.Now()
		if err := k.Publish(b.Context(), p)[0]; err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
}
