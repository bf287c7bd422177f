package job_test

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/jobtest"
)

// BenchmarkLonePush measures one push at a time on an idle system, from the
// producer to the comet that has applied it, with the broker's answer within.
// It reports quantiles; ns/op includes the pauses between pushes.
func BenchmarkLonePush(b *testing.B) {
	comet := jobtest.NewComet("c@1")
	addr, stop, err := comet.Listen()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	for name, dial := range map[string]dialer{
		"inproc": dialInproc(map[string]*jobtest.Comet{"c@1": comet}),
		"tcp":    func(s, a string) (grpc.ClientConnInterface, io.Closer, error) { return dialTCP(s, a) },
	} {
		b.Run(name, func(b *testing.B) {
			br := startBroker(b, broker.Config{DataDir: b.TempDir()})
			makeTopic(b, br.Addr(), 8)
			dir := new(jobtest.Directory)
			dir.Set(job.Comet{Server: "c@1", Addr: addr})
			startJob(b, options{broker: br.Addr(), directory: dir, dial: dial})
			p := newProducer(b, br.Addr())
			at := comet.Count()
			p.produce(0, roomPush("first"))
			waitApplied(b, comet, at+1)
			var took []time.Duration
			for i := range b.N {
				time.Sleep(2 * time.Millisecond) // idle in between
				changed := comet.Changed()
				start := time.Now()
				p.produce(int32(i%8), roomPush("x"))
				<-changed
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
		})
	}
}

// BenchmarkBacklog measures how fast a backlog reaches one comet.
func BenchmarkBacklog(b *testing.B) {
	comet := jobtest.NewComet("c@1")
	addr, stop, err := comet.Listen()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	br := startBroker(b, broker.Config{})
	makeTopic(b, br.Addr(), 8)
	p := newProducer(b, br.Addr())
	push := roomPush("x")
	push.Body = make([]byte, 200)
	value, err := proto.Marshal(push)
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		p.client.Produce(b.Context(), &kgo.Record{Partition: int32(i % 8), Value: value}, nil)
	}
	if err := p.client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	dir := new(jobtest.Directory)
	dir.Set(job.Comet{Server: "c@1", Addr: addr})
	b.ResetTimer()
	startJob(b, options{broker: br.Addr(), directory: dir, dial: dialTCP, dispatch: dispatch.Config{Job: fmt.Sprint(b.N)}})
	deadline := time.Now().Add(patience)
	for {
		changed := comet.Changed()
		if comet.Count() >= b.N {
			break
		}
		select {
		case <-changed:
		case <-time.After(time.Until(deadline)):
			b.Fatal("never")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
