package publish

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
	"github.com/oortim/oort/proto/traceparent"
)

// TestRecordsNameTheirSpan: below a sampled span each record has its own and
// bears it as header; otherwise it has neither.
func TestRecordsNameTheirSpan(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"
	b := startBroker(t, broker.Config{})
	spans := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)) // samples all that it is asked to
	k := open(t, Config{Brokers: kafka.At(b.Addr()), Partitions: 1, Tracer: p.Tracer("test")})
	for _, caller := range []string{"", parent + "00", parent + "01"} {
		ctx := traceparent.Into(t.Context(), caller)
		for _, err := range k.Publish(ctx, []*pushpb.Push{room("a", "live://1"), room("b", "live://1")}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	large := room("c", "live://1")
	large.Body = make([]byte, k.cfg.MaxRecordBytes+1) // refused before it is a record
	k.Publish(traceparent.Into(t.Context(), parent+"01"), []*pushpb.Push{large})

	headers := headersOf(t, b.Addr(), 6)
	ended := spans.Ended()
	if len(ended) != 2 {
		t.Fatalf("%d spans, want 2", len(ended))
	}
	for i, want := range []string{"", "", "", "", traceparent.Of(span(ended[0])), traceparent.Of(span(ended[1]))} {
		if headers[i] != want {
			t.Errorf("record %d bears %q, want %q", i, headers[i], want)
		}
	}
	b.Close()
	ctx, cancel := context.WithTimeout(traceparent.Into(t.Context(), parent+"01"), patience/40)
	defer cancel()
	k.Publish(ctx, []*pushpb.Push{room("d", "live://1")})
	if err := k.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for wait := time.Now(); len(spans.Ended()) < 3 && time.Since(wait) < patience; {
		time.Sleep(time.Millisecond) // what was given up ends by itself
	}
	if ended = spans.Ended(); len(ended) != 3 || ended[2].Status().Code != codes.Error {
		t.Errorf("a push that failed: %d spans", len(ended)-2)
	}
}

// headersOf reads the trace of each of n records, in order.
func headersOf(t *testing.T, addr string, n int) (headers []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("oort-push"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for len(headers) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			header := ""
			for _, h := range r.Headers {
				if h.Key == traceparent.Header {
					header = string(h.Value)
				}
			}
			headers = append(headers, header)
		})
	}
	return headers
}

// span makes a span of what was recorded of one.
func span(of sdktrace.ReadOnlySpan) trace.Span {
	return trace.SpanFromContext(trace.ContextWithSpanContext(context.Background(), of.SpanContext()))
}
