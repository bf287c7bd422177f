package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenRefuses(t *testing.T) {
	for _, at := range []string{"", "collector:4318", "ftp://collector/", "http://", "http://u:secret@collector/", "https://collector/v1/traces?key=secret", "https://a b/", "://"} {
		if _, err := Open(Config{URL: at}); !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", at, err)
		}
	}
	for _, share := range []float64{-0.1, 1.1, nan()} {
		if _, err := Open(Config{URL: "http://127.0.0.1:1", Sample: share}); !errors.Is(err, ErrSample) {
			t.Errorf("%v: %v", share, err)
		}
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

// collector answers as told, and keeps the last request.
type collector struct {
	*httptest.Server
	status  atomic.Int32
	path    atomic.Pointer[string]
	headers atomic.Pointer[http.Header]
	spans   atomic.Int32
}

func startCollector(t *testing.T) *collector {
	c := &collector{}
	c.status.Store(http.StatusOK)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.path.Store(&r.URL.Path)
		c.headers.Store(&r.Header)
		if status := int(c.status.Load()); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		body, _ := io.ReadAll(z)
		var req coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &req); err != nil {
			t.Error(err)
		}
		for _, a := range req.ResourceSpans[0].Resource.Attributes {
			if a.Key == "service.name" && a.Value.GetStringValue() == "oort-test" {
				c.spans.Add(int32(len(req.ResourceSpans[0].ScopeSpans[0].Spans)))
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// TestSends: what is sampled arrives, with the headers of that moment; what the
// collector refuses is counted and told of once, and its headers are not.
func TestSends(t *testing.T) {
	c := startCollector(t)
	reg := prometheus.NewRegistry()
	var log bytes.Buffer
	token := "secret-1"
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	open := func(sample float64) *Tracing {
		tr, err := Open(Config{
			URL: c.URL, Sample: sample, Service: "oort-test", Metrics: reg, Transport: transport,
			Headers: func() http.Header { return http.Header{"Authorization": {token}} },
			Log:     slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	flush := func(tr *Tracing, spans int) {
		t.Helper()
		for range spans {
			_, span := tr.Tracer().Start(context.Background(), "a span")
			span.End()
		}
		if err := tr.provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tr := open(1)
	flush(tr, 3)
	if c.spans.Load() != 3 || *c.path.Load() != "/v1/traces" || c.headers.Load().Get("Authorization") != "secret-1" {
		t.Errorf("%d spans at %s with %q", c.spans.Load(), *c.path.Load(), c.headers.Load().Get("Authorization"))
	}
	token = "secret-2"
	c.status.Store(http.StatusForbidden)
	flush(tr, 2)
	flush(tr, 2)
	if c.headers.Load().Get("Authorization") != "secret-2" {
		t.Errorf("the new header is not used: %q", c.headers.Load().Get("Authorization"))
	}
	c.status.Store(http.StatusOK)
	flush(tr, 1)
	for result, want := range map[string]float64{"sent": 4, "failed": 4} {
		var m dto.Metric
		if err := tr.metrics.spans.WithLabelValues(result).Write(&m); err != nil {
			t.Fatal(err)
		}
		if got := m.Counter.GetValue(); got != want {
			t.Errorf("%v spans %s, want %v", got, result, want)
		}
	}
	if told := strings.Count(log.String(), "cannot be sent"); told != 1 || strings.Count(log.String(), "sent again") != 1 || strings.Contains(log.String(), "secret") {
		t.Errorf("the log says\n%s", log.String())
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Error(err)
	}

	none := open(0) // the same metrics again: they were taken back
	flush(none, 5)
	if c.spans.Load() != 4 {
		t.Errorf("%d spans, and nothing is sampled", c.spans.Load()-4)
	}
	if err := none.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// Each sampled span is counted once, also where more end than a collector that
// does not answer lets wait.
func TestCountsWhatFindsNoPlace(t *testing.T) {
	held := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer collector.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	tr, err := Open(Config{URL: collector.URL, Sample: 1, Transport: transport, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	const spans = 3 * queueMost
	for range spans {
		_, span := tr.Tracer().Start(t.Context(), "a span")
		span.End()
	}
	count := func(result string) float64 {
		var m dto.Metric
		if err := tr.metrics.spans.WithLabelValues(result).Write(&m); err != nil {
			t.Fatal(err)
		}
		return m.Counter.GetValue()
	}
	if n := count("failed"); n != spans-queueMost {
		t.Errorf("%v spans found no place, want %d", n, spans-queueMost)
	}
	close(held)
	if err := tr.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if sent, failed := count("sent"), count("failed"); sent != queueMost || sent+failed != spans {
		t.Errorf("%v sent and %v failed of %d", sent, failed, spans)
	}
}
