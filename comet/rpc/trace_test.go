package rpc

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/pushpb"
)

const sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// recorder keeps the spans of a tracer that follows its callers' sampling.
func recorder(t *testing.T) (*tracetest.SpanRecorder, Options) {
	spans := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())), sdktrace.WithSpanProcessor(spans))
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return spans, Options{Tracer: p.Tracer("test")}
}

func roomBatch(traces ...string) *cometpb.Batch {
	b := &cometpb.Batch{TopicId: make([]byte, 16)}
	for i, trace := range traces {
		b.Records = append(b.Records, &cometpb.Record{Offset: int64(i + 1), Push: &pushpb.Push{
			Id: "m", Kind: pushpb.Kind_KIND_ROOM, Room: "live://nobody", Op: 1000, Trace: trace,
		}})
	}
	return b
}

func records(b *cometpb.Batch) []comet.Record {
	list := make([]comet.Record, len(b.Records))
	for i, r := range b.Records {
		list[i] = comet.Record{Offset: r.Offset, Push: r.Push}
	}
	return list
}

// TestUnsampledCostsNothing: a batch without sampled pushes allocates as much
// with a tracer as without.
func TestUnsampledCostsNothing(t *testing.T) {
	_, opt := recorder(t)
	b := roomBatch("", "", "")
	list := records(b)
	s := &Server{opt: opt}
	n := testing.AllocsPerRun(100, func() {
		s.trace(b, list).applied(make([]comet.Outcome, 3), nil)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSpansOfABatch: each sampled record has its span below the job's, which
// tells what became of it; a push that no loop had to do with has no more.
func TestSpansOfABatch(t *testing.T) {
	spans, opt := recorder(t)
	s := &Server{opt: opt}
	b := roomBatch("", sampled, "nonsense", sampled)
	list := records(b)
	s.trace(b, list).applied([]comet.Outcome{{}, {Links: 5}, {}, {Drop: comet.DropExpired}}, nil)
	s.trace(b, list).applied(nil, comet.ErrStopping)
	ended := spans.Ended()
	if len(ended) != 4 {
		t.Fatalf("%d spans, want 4", len(ended))
	}
	want := map[string]int{"": 1, "DROP_EXPIRED": 1, comet.ErrStopping.Error(): 2}
	for _, span := range ended {
		want[span.Status().Description]--
		if span.Name() != "apply" || span.Parent().SpanID().String() != "00f067aa0ba902b7" || (span.Status().Code == codes.Error) != (span.Status().Description != "") {
			t.Errorf("%s below %s: %v", span.Name(), span.Parent().SpanID(), span.Status())
		}
		if span.Status().Code != codes.Error && !has(span, attribute.Int("oort.links", 5)) {
			t.Errorf("attributes %v", span.Attributes())
		}
	}
	for status, n := range want {
		if n != 0 {
			t.Errorf("status %q: %d too few", status, n)
		}
	}
}

func has(span sdktrace.ReadOnlySpan, want attribute.KeyValue) bool {
	for _, a := range span.Attributes() {
		if a == want {
			return true
		}
	}
	return false
}
