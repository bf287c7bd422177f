package consume

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/proto/pushpb"
	"github.com/oortim/oort/proto/traceparent"
)

// routing are the spans of the records of one Take that are in sampled traces:
// from decoding until they wait at the outlets.
type routing []trace.Span

// begin opens the span that r's header asks for, and makes it the parent of what
// follows.
func (w *worker) begin(spans routing, r *kgo.Record, p *pushpb.Push) routing {
	tracer := w.s.k.cfg.Tracer
	if tracer == nil || p == nil || len(r.Headers) == 0 {
		return spans
	}
	_, span := tracer.Start(traceparent.Into(context.Background(), headerOf(r)), "process "+r.Topic,
		trace.WithSpanKind(trace.SpanKindConsumer))
	if p.Trace = traceparent.Of(span); p.Trace == "" {
		return spans
	}
	span.SetAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", r.Topic),
		attribute.String("messaging.message.id", p.GetId()),
		attribute.Int("messaging.destination.partition.id", int(r.Partition)),
		attribute.Int64("messaging.kafka.offset", r.Offset),
	)
	return append(spans, span)
}

// headerOf is the trace that a record belongs to; "" for none.
func headerOf(r *kgo.Record) string {
	for _, h := range r.Headers {
		if h.Key == traceparent.Header {
			return string(h.Value)
		}
	}
	return ""
}

func (spans routing) end() {
	for _, span := range spans {
		span.End()
	}
}
