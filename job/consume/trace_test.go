package consume

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/traceparent"
)

// traces keeps what the partitions' pushes say of their trace.
type traces struct {
	part
	got map[string]string // by id
}

func (p *traces) Take(ctx context.Context, records []job.Record) error {
	p.sink.mu.Lock()
	for _, r := range records {
		p.got[r.Push.GetId()] = r.Push.GetTrace()
	}
	p.sink.mu.Unlock()
	return p.part.Take(ctx, records)
}

// TestSampledRecords: a record whose header names a sampled span gets one below
// it, which its push then names; others get none, whatever their header says.
func TestSampledRecords(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"
	f := newFixture(t)
	f.makeTopic(1)
	for id, header := range map[string]string{"sampled": parent + "01", "not": parent + "00", "nonsense": "00-zz", "": ""} {
		r := &kgo.Record{Value: push(id)}
		if header != "" {
			r.Headers = []kgo.RecordHeader{{Key: "other", Value: []byte("x")}, {Key: traceparent.Header, Value: []byte(header)}}
		}
		if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	spans := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())), sdktrace.WithSpanProcessor(spans))
	s := new(sink)
	taken := &traces{part: part{sink: s}, got: map[string]string{}}
	k, err := Open(t.Context(), Config{Brokers: kafka.At(f.addr), Tracer: p.Tracer("test")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, func(job.TopicID, int32) job.Partition { return taken }) }()
	eventually(t, "four records", func() bool { return s.count() == 4 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Parent().SpanID().String() != "00f067aa0ba902b7" {
		t.Fatalf("%d spans: %v", len(ended), ended)
	}
	for id, got := range taken.got {
		want := ""
		if id == "sampled" {
			want = strings.Replace(parent, "00f067aa0ba902b7", ended[0].SpanContext().SpanID().String(), 1) + "01"
		}
		if got != want {
			t.Errorf("push %q names %q, want %q", id, got, want)
		}
	}
}
