// Package traceparent carries the trace of a push from part to part, as the
// text of W3C Trace Context's header of that name: in an HTTP request, in a
// Kafka record and in the message to a comet. Only sampled traces are carried,
// so that a push of no trace bears nothing. Vendors' tracestate is not carried.
package traceparent

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is the name of the header of HTTP requests and Kafka records.
const Header = "traceparent"

// Of is what makes a span elsewhere a child of span; "" if span is not sampled.
func Of(span trace.Span) string {
	sc := span.SpanContext()
	if !sc.IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), carrier)
	return carrier[Header]
}

// Into returns ctx with the span that text names as the parent of spans to come.
// Text that names none returns ctx as it is: a trace is no reason to refuse
// anything.
func Into(ctx context.Context, text string) context.Context {
	if text == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Header: text})
}
