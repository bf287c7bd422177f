package rpc

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/traceparent"
)

// tracing are the spans of one batch, by the index of their records; nil for a
// batch without sampled pushes.
type tracing map[int]*traced

// traced is one sampled push here. It has two spans: apply is from the batch's
// arrival until it is applied, which includes the wait for loops that are behind;
// deliver is its child, until the last loop has flushed the message.
type traced struct {
	tracer trace.Tracer
	began  time.Time
	ctx    context.Context // of the span apply
	apply  trace.Span
	watch  *ledger.Watch
}

// trace opens the spans of a batch and has the comet watch their messages.
func (s *Server) trace(b *cometpb.Batch, records []comet.Record) (spans tracing) {
	if s.opt.Tracer == nil {
		return nil
	}
	for i := range records {
		p := records[i].Push
		if p.GetTrace() == "" {
			continue
		}
		t := &traced{tracer: s.opt.Tracer, began: time.Now()}
		t.ctx, t.apply = t.tracer.Start(traceparent.Into(context.Background(), p.Trace), "apply",
			trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(t.began))
		t.apply.SetAttributes(
			attribute.String("rpc.system", "grpc"),
			attribute.String("messaging.message.id", p.Id),
			attribute.Int("messaging.destination.partition.id", int(b.Partition)),
			attribute.Int64("messaging.kafka.offset", records[i].Offset),
		)
		t.watch = ledger.NewWatch(t.delivered)
		records[i].Watch = t.watch
		if spans == nil {
			spans = tracing{}
		}
		spans[i] = t
	}
	return spans
}

// applied ends the spans apply. Without outcomes the batch was not applied.
func (spans tracing) applied(outcomes []comet.Outcome, err error) {
	for i, t := range spans {
		switch {
		case err != nil:
			t.apply.SetStatus(codes.Error, err.Error())
		case outcomes[i].Drop != comet.DropNone:
			t.apply.SetStatus(codes.Error, drops[outcomes[i].Drop].String())
		default:
			t.apply.SetAttributes(attribute.Int("oort.links", outcomes[i].Links),
				attribute.Int("oort.missing_keys", len(outcomes[i].Missing)), attribute.Bool("oort.replayed", outcomes[i].Replayed))
		}
		t.apply.End()
		t.watch.Release()
	}
}

// delivered is called when the last loop is done with the message, mostly on
// that loop. It makes the span deliver, unless the message was handed to none.
func (t *traced) delivered(w *ledger.Watch) {
	if w.Loops() == 0 {
		return
	}
	_, span := t.tracer.Start(t.ctx, "deliver", trace.WithTimestamp(t.began))
	span.SetAttributes(attribute.Int("oort.loops", w.Loops()))
	for o, n := range w.Ended() {
		if n > 0 {
			span.SetAttributes(attribute.Int("oort.links."+ledger.Outcome(o).String(), int(n)))
		}
	}
	if first, last, ok := w.Written(); ok {
		span.AddEvent("first write", trace.WithTimestamp(first))
		span.AddEvent("last write", trace.WithTimestamp(last))
	}
	span.End()
}
