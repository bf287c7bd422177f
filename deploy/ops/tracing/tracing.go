// Package tracing sends a process's spans to a collector by OTLP over HTTP. It
// sets nothing global: whoever opens spans is handed the Tracer.
//
// # Sampling
//
// Where a trace begins, which is at the API, Config.Sample decides by lot. All
// other parts follow what began it, and so does the API if its caller sends a
// traceparent. A span that cannot be sent is dropped and counted, since nobody
// waits for it.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Errors of Open.
var (
	// ErrURL: the URL is none to which spans could be sent. What lets a process in
	// belongs into Config.Headers.
	ErrURL = errors.New("tracing: not a URL of http or https without user, password and query")
	// ErrSample: the share of traces is not between 0 and 1.
	ErrSample = errors.New("tracing: the share of traces is from 0 to 1")
)

// Config of Open. The zero value of a field means its default.
type Config struct {
	// URL of the collector, as in "https://otel.example.com:4318/v1/traces";
	// without a path, /v1/traces is meant. Required.
	URL string
	// Sample is the share of the traces beginning here that are kept, from 0 to 1.
	Sample float64
	// Transport reaches the collector. Zero means http.DefaultTransport.
	Transport http.RoundTripper
	// Headers are added to each request, and asked for at each. Zero means none.
	Headers func() http.Header

	// Service, Instance and Version are what the spans say of this process:
	// "oort-comet", "c1@18f3…", "v1.2.0". Empty ones are left out.
	Service, Instance, Version string

	// Log is told when spans cannot be sent, and when they can again. Zero means
	// slog.Default().
	Log *slog.Logger
	// Metrics registers oort_trace_spans_total. Zero means none.
	Metrics prometheus.Registerer
}

const (
	// batchTime is how long an ended span waits for others.
	batchTime = time.Second
	// exportTime bounds one request with its repetitions.
	exportTime = 10 * time.Second
	// queueMost bounds the spans that wait for a collector, in requests under way
	// too.
	queueMost = 2048
)

// Tracing makes spans and sends them.
type Tracing struct {
	provider *sdktrace.TracerProvider
	metrics  *metrics
}

// Open checks cfg; it connects when there is something to send.
func Open(cfg Config) (*Tracing, error) {
	at, err := url.Parse(cfg.URL)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.User != nil || at.RawQuery != "" {
		return nil, ErrURL // without the text: it may hold a password
	}
	if at.Path == "" || at.Path == "/" {
		at.Path = "/v1/traces"
	}
	if !(cfg.Sample >= 0 && cfg.Sample <= 1) {
		return nil, fmt.Errorf("%w: %v", ErrSample, cfg.Sample)
	}
	exporter, err := otlptracehttp.New(context.Background(), // this one only opens
		otlptracehttp.WithEndpointURL(at.String()),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithHTTPClient(cfg.client()))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("tracing: metrics: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	waiting := new(atomic.Int64)
	batches := sdktrace.NewBatchSpanProcessor(
		&teller{SpanExporter: exporter, log: cfg.Log, url: at.Redacted(), metrics: m, waiting: waiting},
		sdktrace.WithBatchTimeout(batchTime), sdktrace.WithExportTimeout(exportTime), sdktrace.WithMaxQueueSize(queueMost))
	return &Tracing{metrics: m, provider: sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Sample))),
		sdktrace.WithResource(cfg.resource()),
		sdktrace.WithSpanProcessor(&bounded{SpanProcessor: batches, metrics: m, waiting: waiting}),
	)}, nil
}

// Tracer opens spans. It lives as long as t.
func (t *Tracing) Tracer() trace.Tracer { return t.provider.Tracer("github.com/oortim/oort") }

// Close sends what has ended, as long as ctx allows.
func (t *Tracing) Close(ctx context.Context) error {
	err := t.provider.Shutdown(ctx)
	t.metrics.unregister()
	return err
}

func (c *Config) resource() *resource.Resource {
	var attributes []attribute.KeyValue
	for _, a := range []attribute.KeyValue{
		attribute.String("service.name", c.Service),
		attribute.String("service.instance.id", c.Instance),
		attribute.String("service.version", c.Version),
	} {
		if a.Value.AsString() != "" {
			attributes = append(attributes, a)
		}
	}
	return resource.NewSchemaless(attributes...)
}

func (c *Config) client() *http.Client {
	through := c.Transport
	if through == nil {
		through = http.DefaultTransport
	}
	return &http.Client{
		Transport: &headed{through: through, headers: c.Headers},
		Timeout:   exportTime,
		// The headers are for the collector alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// headed adds headers to requests.
type headed struct {
	through http.RoundTripper
	headers func() http.Header // nil: none
}

// RoundTrip implements http.RoundTripper.
func (h *headed) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.headers != nil {
		r = r.Clone(r.Context()) // a RoundTripper may not change what it is given
		for name, values := range h.headers() {
			r.Header[name] = values
		}
	}
	return h.through.RoundTrip(r)
}
