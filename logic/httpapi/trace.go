package httpapi

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/proto/traceparent"
)

// traced puts a span around h, the first of a push's trace. What the caller's
// traceparent says of sampling counts, because callers have shown a key by now.
func (a *api) traced(path string, h handler) handler {
	tracer := a.opt.Tracer
	if tracer == nil {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := traceparent.Into(r.Context(), r.Header.Get(traceparent.Header))
		ctx, span := tracer.Start(ctx, r.Method+" "+path, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		rec := &recorder{ResponseWriter: w}
		h(rec, r.WithContext(ctx))
		if !span.IsRecording() {
			return
		}
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", path),
			attribute.Int("http.response.status_code", rec.status))
		if rec.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
}
