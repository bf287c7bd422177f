package dispatch_test

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/jobtest"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/pushpb"
)

// TestSpanOfADelivery: each comet gets the push under a span of its own, below
// the one that the push named, and the span tells how the delivery ended.
func TestSpanOfADelivery(t *testing.T) {
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())), sdktrace.WithSpanProcessor(spans))
	cfg := dispatch.Config{Tracer: provider.Tracer("test")}
	p := newOwner(0)
	sampled := &pushpb.Push{Id: "a", Kind: pushpb.Kind_KIND_ALL, Trace: "00-" + trace + "-" + parent + "-01"}
	plain := &pushpb.Push{Id: "b", Kind: pushpb.Kind_KIND_ALL}
	late := &pushpb.Push{Id: "c", Kind: pushpb.Kind_KIND_ALL, Trace: sampled.Trace, ExpiresUs: 1}
	named := map[string]bool{}
	for _, server := range []string{"c1@1", "c2@1"} {
		c, addr := listen(t, server)
		c.Answer(func(jobtest.Place) *cometpb.Outcome { return &cometpb.Outcome{Links: 7} })
		o := open(t, job.ServerID(server), cfg)
		o.Offer([]job.Delivery{p.delivery(0, sampled), p.delivery(1, plain), p.delivery(2, late)})
		o.Locate(addr)
		eventually(t, "two applied", func() bool { return c.Count() == 2 })
		got := c.Applied()
		if got[1].Push.Trace != "" {
			t.Errorf("the plain push names %q", got[1].Push.Trace)
		}
		named[got[0].Push.Trace] = true
	}
	eventually(t, "four spans", func() bool { return len(spans.Ended()) == 4 })
	if sampled.Trace != "00-"+trace+"-"+parent+"-01" {
		t.Errorf("the push that all share names %q now", sampled.Trace)
	}
	for _, span := range spans.Ended() {
		id := span.SpanContext().SpanID().String()
		switch {
		case span.Parent().SpanID().String() != parent:
			t.Errorf("span below %s", span.Parent().SpanID())
		case span.Status().Code == codes.Error:
			if span.Status().Description != "expired" || len(span.Events()) != 0 {
				t.Errorf("%v, events %v", span.Status(), span.Events())
			}
		case !named["00-"+trace+"-"+id+"-01"] || len(span.Events()) != 1 || !hasInt(span, "oort.links", 7):
			t.Errorf("span %s of %v: events %v, attributes %v", id, named, span.Events(), span.Attributes())
		}
	}
}

func hasInt(span sdktrace.ReadOnlySpan, key string, n int) bool {
	for _, a := range span.Attributes() {
		if a == attribute.Int(key, n) {
			return true
		}
	}
	return false
}
