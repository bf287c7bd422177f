package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// teller tells what became of spans. It keeps errors from the SDK, which has one
// handler of errors for the whole process and tells every one of them.
type teller struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	url     string
	metrics *metrics
	waiting *atomic.Int64 // spans that have ended and are not told of yet
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (t *teller) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := t.SpanExporter.ExportSpans(ctx, spans)
	t.waiting.Add(-int64(len(spans)))
	if err != nil {
		t.metrics.failed.Add(float64(len(spans)))
		if !t.failing.Swap(true) {
			t.log.Warn("spans cannot be sent and are dropped", "url", t.url, "err", err)
		}
		return nil
	}
	t.metrics.sent.Add(float64(len(spans)))
	if t.failing.Swap(false) {
		t.log.Info("spans are sent again", "url", t.url)
	}
	return nil
}

// bounded hands ended spans to a batch processor as long as it has place for
// them. The processor would drop the others as well, but tell nobody.
type bounded struct {
	sdktrace.SpanProcessor
	metrics *metrics
	waiting *atomic.Int64
}

// OnEnd implements sdktrace.SpanProcessor.
func (b *bounded) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if b.waiting.Add(1) > queueMost {
		b.waiting.Add(-1)
		b.metrics.failed.Inc()
		return
	}
	b.SpanProcessor.OnEnd(s)
}

// metrics of one process. Without a registerer they count for nobody.
type metrics struct {
	registerer   prometheus.Registerer
	spans        *prometheus.CounterVec
	sent, failed prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{registerer: reg, spans: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oort_trace_spans_total", Help: "Spans handed to the collector, by result: sent, failed.",
	}, []string{"result"})}
	m.sent, m.failed = m.spans.WithLabelValues("sent"), m.spans.WithLabelValues("failed")
	if reg == nil {
		return m, nil
	}
	return m, reg.Register(m.spans)
}

func (m *metrics) unregister() {
	if m.registerer != nil {
		m.registerer.Unregister(m.spans)
	}
}
