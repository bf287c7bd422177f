package e2e

import (
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// collector takes spans by OTLP over HTTP.
type collector struct {
	url string

	mu    sync.Mutex
	spans []spanAt // guarded by mu
}

// spanAt is a span and the process that it is of.
type spanAt struct {
	*tracepb.Span
	service, instance string
}

func startCollector(t *testing.T) *collector {
	c := &collector{}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	c.url = srv.URL + "/v1/traces"
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := readExport(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, process := range req.ResourceSpans {
		for _, scope := range process.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans = append(c.spans, spanAt{span, word(process.Resource.Attributes, "service.name"), word(process.Resource.Attributes, "service.instance.id")})
			}
		}
	}
	answer, _ := proto.Marshal(&coltracepb.ExportTraceServiceResponse{})
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

func readExport(r *http.Request) (*coltracepb.ExportTraceServiceRequest, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		return nil, fmt.Errorf("%s %s of %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	req := new(coltracepb.ExportTraceServiceRequest)
	return req, proto.Unmarshal(text, req)
}

// of returns the spans of a trace, the earliest first.
func (c *collector) of(trace string) (spans []spanAt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if fmt.Sprintf("%x", s.TraceId) == trace {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b spanAt) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	return spans
}

func value(attributes []*commonpb.KeyValue, key string) *commonpb.AnyValue {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return nil
}

func word(attributes []*commonpb.KeyValue, key string) string {
	return value(attributes, key).GetStringValue()
}

// The trace and span of the pusher's own, as its header tells them.
const pusherSpan = "00f067aa0ba902b7"

func traceID(n int) string { return fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e%04x", n) }

// pushTraced pushes under a trace of the pusher's.
func pushTraced(t *testing.T, g *rig.Gateway, trace, flags, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.API+"/v1/push", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", "00-"+trace+"-"+pusherSpan+"-"+flags)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("push: %s: %s", res.Status, text)
	}
}

// shape is a trace as lines "service: name < name of its parent", sorted.
func shape(spans []spanAt) string {
	names := map[string]string{pusherSpan: "pusher"}
	for _, s := range spans {
		names[fmt.Sprintf("%x", s.SpanId)] = s.Name
	}
	var lines []string
	for _, s := range spans {
		lines = append(lines, s.service+": "+s.Name+" < "+names[fmt.Sprintf("%x", s.ParentSpanId)])
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// waitShape waits until a trace has this shape.
func waitShape(t *testing.T, c *collector, trace string, want ...string) []spanAt {
	t.Helper()
	slices.Sort(want)
	rig.WaitFor(t, "trace "+trace, func() error {
		if got := shape(c.of(trace)); got != strings.Join(want, "\n") {
			return fmt.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
		return nil
	})
	return c.of(trace)
}

func repeated(n int, lines ...string) (all []string) {
	for range n {
		all = append(all, lines...)
	}
	return all
}

// TestTrace: a sampled push is one trace from the pusher's request through all
// processes to the sockets; one that is not sampled leaves nothing.
func TestTrace(t *testing.T) {
	c := startCollector(t)
	g := rig.StartCluster(t, bin, "epoll", 2, "--trace-url", c.url)
	const n = 24
	links := dialLinks(t, g, n, 1)

	pushTraced(t, g, traceID(0), "00", `{"room":"live://0","op":1000,"body":"room 0"}`)
	pushTraced(t, g, traceID(1), "01", `{"room":"live://0","op":1000,"body":"room 1"}`)
	toComet := []string{
		"oort-job: oort.comet.v1.Comet/Push < process oort-push",
		"oort-comet: apply < oort.comet.v1.Comet/Push",
		"oort-comet: deliver < apply",
	}
	way := []string{
		"oort-logic: POST /v1/push < pusher",
		"oort-logic: send oort-push < POST /v1/push",
		"oort-job: process oort-push < send oort-push",
	}
	spans := waitShape(t, c, traceID(1), append(repeated(2, toComet...), way...)...)
	checkDelivered(t, spans, n, 2)
	checkTimes(t, spans)

	// Two keys on two comets are two records.
	pushTraced(t, g, traceID(2), "01", fmt.Sprintf(`{"keys":[%q,%q],"op":1000,"body":"direct 0"}`, links[0].key, links[2].key))
	spans = waitShape(t, c, traceID(2), append(repeated(2, append(toComet, way[1:]...)...), way[0])...)
	checkDelivered(t, spans, 2, 2)

	pushTraced(t, g, traceID(3), "01", `{"all":true,"op":1000,"body":"all 0"}`)
	spans = waitShape(t, c, traceID(3), append(repeated(2, toComet...), way...)...)
	checkDelivered(t, spans, n, 2)

	waitReceived(t, links, "room", func(*link) []int { return []int{0, 1} })
	if spans := c.of(traceID(0)); len(spans) > 0 {
		t.Errorf("a push that is not sampled has spans:\n%s", shape(spans))
	}
}

// TestTraceBegins: without a word of the pusher, a push begins a trace by lot.
func TestTraceBegins(t *testing.T) {
	c := startCollector(t)
	g := rig.StartServe(t, bin, "epoll", "--trace-url", c.url, "--trace-sample", "1")
	dialLinks(t, g, 2, 1)
	mustPush(t, &push.Client{API: g.API}, push.Push{Room: roomName(0), Op: op, Body: body("room", 0)})
	rig.WaitFor(t, "the span of a delivery", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range c.spans {
			if s.Name == "deliver" && s.service == "oort-serve" && strings.HasPrefix(s.instance, "serve@") {
				return nil
			}
		}
		return fmt.Errorf("not among %d spans", len(c.spans))
	})
}

// checkDelivered adds up what the spans of the comets say.
func checkDelivered(t *testing.T, spans []spanAt, links, comets int) {
	t.Helper()
	var got int64
	instances := map[string]bool{}
	for _, s := range spans {
		if s.Name != "deliver" {
			continue
		}
		got += value(s.Attributes, "oort.links.delivered").GetIntValue()
		instances[s.instance] = true
		if len(s.Events) != 2 || s.Events[0].Name != "first write" || s.Events[1].Name != "last write" ||
			s.Events[0].TimeUnixNano < s.StartTimeUnixNano || s.Events[1].TimeUnixNano < s.Events[0].TimeUnixNano || s.EndTimeUnixNano < s.Events[1].TimeUnixNano {
			t.Errorf("span deliver from %d to %d has events %v", s.StartTimeUnixNano, s.EndTimeUnixNano, s.Events)
		}
	}
	if got != int64(links) || len(instances) != comets {
		t.Errorf("delivered to %d links by %v, want %d by %d comets", got, instances, links, comets)
	}
}

// checkTimes: nothing begins before what caused it.
func checkTimes(t *testing.T, spans []spanAt) {
	t.Helper()
	began := map[string]uint64{}
	for _, s := range spans {
		began[fmt.Sprintf("%x", s.SpanId)] = s.StartTimeUnixNano
	}
	for _, s := range spans {
		if parent := began[fmt.Sprintf("%x", s.ParentSpanId)]; s.StartTimeUnixNano < parent || s.EndTimeUnixNano < s.StartTimeUnixNano {
			t.Errorf("%s from %d to %d, its parent from %d", s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano, parent)
		}
	}
}
