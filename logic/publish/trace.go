package publish

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/proto/pushpb"
	"github.com/oortim/oort/proto/traceparent"
)

// sending is the span of one record, from its submission to its answer. The zero
// one is of a push that is in no sampled trace.
type sending struct{ span trace.Span }

// sending opens the span of p below that of the caller, and names it in the
// record's header.
func (k *Kafka) sending(caller context.Context, p *pushpb.Push, r *kgo.Record) sending {
	if k.cfg.Tracer == nil || !trace.SpanContextFromContext(caller).IsSampled() {
		return sending{}
	}
	_, span := k.cfg.Tracer.Start(caller, "send "+k.cfg.Topic, trace.WithSpanKind(trace.SpanKindProducer))
	span.SetAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.type", "send"),
		attribute.String("messaging.destination.name", k.cfg.Topic),
		attribute.String("messaging.message.id", p.GetId()),
		attribute.Int("messaging.message.body.size", len(r.Value)),
		attribute.Int("messaging.destination.partition.id", int(r.Partition)),
		attribute.String("oort.push.kind", p.GetKind().String()),
	)
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: traceparent.Header, Value: []byte(traceparent.Of(span))})
	return sending{span}
}

// answered ends the span; err is what the caller is told.
func (s sending) answered(r *kgo.Record, err error) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attribute.String("oort.result", result(err)))
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	} else {
		s.span.SetAttributes(attribute.Int64("messaging.kafka.offset", r.Offset))
	}
	s.span.End()
}
