package dispatch

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/traceparent"
)

// begin opens the span of a delivery whose push is in a sampled trace: from when
// it is offered until the comet has answered. The push that the comet gets names
// this span; other comets have spans of their own, so it is a copy.
func (it *item) begin(o *outlet) {
	if it.Push.GetTrace() == "" || o.cfg.Tracer == nil {
		return
	}
	_, it.span = o.cfg.Tracer.Start(traceparent.Into(context.Background(), it.Push.Trace), "oort.comet.v1.Comet/Push",
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(it.at))
	it.span.SetAttributes(
		attribute.String("rpc.system", "grpc"),
		attribute.String("oort.comet", string(o.server)),
		attribute.String("messaging.message.id", it.Push.Id),
	)
	it.Push = proto.CloneOf(it.Push)
	it.Push.Trace = traceparent.Of(it.span)
}

// sent notes that the batch with the delivery goes to the stream, for the first
// time. What lies between begin and here is the wait behind the batch before it.
func (it *item) sent() {
	if it.span != nil {
		it.span.AddEvent("sent")
	}
}

// end ends the span. That of a delivery which is discarded, because its partition
// has gone to another job, never ends and is not seen: the other job has its own.
func (it *item) end(o job.Outcome) {
	if it.span == nil {
		return
	}
	it.span.SetAttributes(attribute.Int("oort.links", o.Links), attribute.Int("oort.missing_keys", len(o.Missing)),
		attribute.Bool("oort.replayed", o.Replayed))
	if o.Drop != job.ReasonNone {
		it.span.SetStatus(codes.Error, o.Drop.String())
	}
	it.span.End()
}
