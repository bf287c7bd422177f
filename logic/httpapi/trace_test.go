package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/oortim/oort/logic/httpapi"
)

// TestTraceOfARequest: a push that is let in follows its caller's traceparent;
// whoever shows no key cannot make spans, and nothing but pushes is traced.
func TestTraceOfARequest(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"
	keys, err := httpapi.ReadKeys(strings.NewReader("a:key-of-sixteen-bytes-or-more"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, method, path, body, header, key string
		status, spans                         int
	}{
		{"push", "POST", "/v1/push", `{"room":"live://1","op":1000}`, parent + "01", "key-of-sixteen-bytes-or-more", 200, 1},
		{"goim", "POST", "/goim/push/room?operation=1000&type=live&room=1", "hello", parent + "01", "key-of-sixteen-bytes-or-more", 200, 1},
		{"refused push", "POST", "/v1/push", `{`, parent + "01", "key-of-sixteen-bytes-or-more", 400, 1},
		{"not sampled", "POST", "/v1/push", `{"room":"live://1","op":1000}`, parent + "00", "key-of-sixteen-bytes-or-more", 200, 0},
		{"no header", "POST", "/v1/push", `{"room":"live://1","op":1000}`, "", "key-of-sixteen-bytes-or-more", 200, 0},
		{"nonsense", "POST", "/v1/push", `{"room":"live://1","op":1000}`, "00-00-00-01", "key-of-sixteen-bytes-or-more", 200, 0},
		{"no key", "POST", "/v1/push", `{"room":"live://1","op":1000}`, parent + "01", "", 401, 0},
		{"no push", "GET", "/v1/online", "", parent + "01", "key-of-sixteen-bytes-or-more", 200, 0},
	} {
		spans := tracetest.NewSpanRecorder()
		p := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())), sdktrace.WithSpanProcessor(spans))
		w := newWorld(t, httpapi.Options{Keys: func() httpapi.Keys { return keys }, Tracer: p.Tracer("test")})
		req, err := http.NewRequestWithContext(t.Context(), row.method, w.url+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if row.header != "" {
			req.Header.Set("traceparent", row.header)
		}
		if row.key != "" {
			req.Header.Set("Authorization", "Bearer "+row.key)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		ended := spans.Ended()
		if res.StatusCode != row.status || len(ended) != row.spans {
			t.Errorf("%s: status %d, %d spans, want %d and %d", row.name, res.StatusCode, len(ended), row.status, row.spans)
			continue
		}
		for _, span := range ended {
			path, _, _ := strings.Cut(row.path, "?")
			if span.Parent().SpanID().String() != "00f067aa0ba902b7" || span.Name() != "POST "+path {
				t.Errorf("%s: span %q below %s", row.name, span.Name(), span.Parent().SpanID())
			}
		}
	}
}
