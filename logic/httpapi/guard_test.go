package httpapi_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/logic/httpapi"
	"github.com/oortim/oort/proto/pushpb"
)

const (
	key1 = "0123456789abcdef0123456789abcdef"
	key2 = "fedcba9876543210fedcba9876543210"
)

// readKeys returns what a file that does not change says.
func readKeys(t *testing.T, file string) func() httpapi.Keys {
	t.Helper()
	keys, err := httpapi.ReadKeys(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return func() httpapi.Keys { return keys }
}

func TestReadKeys(t *testing.T) {
	if keys := readKeys(t, "# pushers\n\nchat:"+key1+"\r\n gift:"+key2+" \nread:"+key1+"1:read\n")(); len(keys) != 3 {
		t.Errorf("%d keys", len(keys))
	}
	for name, file := range map[string]string{
		"empty":              "# nothing\n",
		"no colon":           key1,
		"no name":            ":" + key1,
		"short":              "chat:0123456789abcde",
		"long":               "chat:" + strings.Repeat("x", 513),
		"twice":              "chat:" + key1 + "\nchat:" + key2,
		"scope":              "chat:" + key1 + ":pusch",
		"scopes":             "chat:" + key1 + ":push,,read",
		"no scope":           "chat:" + key1 + ":",
		"short by its scope": "chat:0123456789abc:push",
		"space before":       "chat: " + key1, // nobody could send it
		"space within":       "chat:" + key1 + " " + key2,
		"space in scopes":    "chat:" + key1 + ":push, read",
		"control byte":       "chat:" + key1 + "\x00",
		"same key":           "chat:" + key1 + ":push\nops:" + key1,
	} {
		_, err := httpapi.ReadKeys(strings.NewReader(file))
		if err == nil || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%s: %v, want one line without the key", name, err)
		}
	}
}

// TestBearer: every path but the page's, /healthz and what clients ask (where
// to connect) wants a key, and the answer does not tell a missing key from a wrong one, nor whether a path is.
func TestBearer(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("the page")) })
	w := newWorld(t, httpapi.Options{Keys: readKeys(t, "a:"+key1+"\nb:"+key2), Page: page})
	paths := []string{
		"POST /goim/push/room?operation=1000&type=live&room=1", "GET /goim/online/total", "GET /goim/nodes/instances",
		"GET /goim/nothing", "GET /v1/online", "POST /v1/push", "POST /v1/kick", "GET /v1/nothing", "GET /v1/push",
	}
	for _, path := range paths {
		method, path, _ := strings.Cut(path, " ")
		for _, head := range []string{
			"", "Authorization: Bearer ", "Authorization: Bearer " + key1[1:], "Authorization: Bearer " + key1 + "x",
			"Authorization: Basic " + key1, "Authorization: " + key1, "Authorization: Bearer " + strings.Repeat("x", 5000),
			"Authorization: Bearer a:" + key1,
		} {
			status, answer, header := w.do(method, path, "x", head)
			w.want(path+" "+head, status, answer, 401, `"reason":"unauthorized"`)
			if header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", path)
			}
		}
	}
	for _, path := range []string{"/goim/nodes/weighted", "/v1/nodes"} {
		status, answer, _ := w.do("GET", path, "", "Host: oort.example")
		w.want(path, status, answer, 200)
	}
	for _, key := range []string{key1, key2} {
		for _, scheme := range []string{"Bearer ", "bearer "} {
			status, answer, _ := w.do("GET", "/v1/online", "", "Authorization: "+scheme+key, "Host: oort.example")
			w.want(scheme, status, answer, 200)
		}
	}
	if stored := w.pub.Take(); len(stored) != 0 {
		t.Errorf("without a key %v was stored", stored)
	}
	for path, want := range map[string]string{"/": "the page", "/app.js": "the page", "/healthz": "ok"} {
		status, answer, _ := w.do("GET", path, "")
		w.want(path, status, answer, 200, want)
	}
}

// TestBrowser: an API without keys does not serve pages of other sites, by
// whatever name they reach it.
func TestBrowser(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	const push = "/goim/push/room?operation=1000&type=live&room=1"
	for _, c := range []struct {
		head   string
		status int
	}{
		{"", 200},
		{"Origin: " + w.url, 200},
		{"Sec-Fetch-Site: same-origin", 200},
		{"Sec-Fetch-Site: cross-site", 403},
		{"Sec-Fetch-Site: same-site", 403},
		{"Origin: https://evil.example", 403},
		{"Origin: null", 403},
		{"Host: evil.example", 403},
		{"Host: localhost.evil.example", 403},
		{"Host: 127.0.0.1.evil.example:3111", 403},
		{"Host: localhost", 200},
		{"Host: LOCALHOST:3111", 200},
		{"Host: [::1]:3111", 200},
	} {
		status, answer, _ := w.do("POST", push, "x", strings.Split(c.head, "\n")...)
		w.want(c.head, status, answer, c.status)
		if got := len(w.pub.Take()); (got == 1) != (c.status == 200) {
			t.Errorf("%s: stored %d", c.head, got)
		}
	}
}

func TestRate(t *testing.T) {
	w := newWorld(t, httpapi.Options{Keys: readKeys(t, "a:"+key1+"\nb:"+key2), Rate: 0.001})
	first, _, _ := w.do("GET", "/v1/online", "", "Authorization: Bearer "+key1)
	status, answer, header := w.do("GET", "/v1/online", "", "Authorization: Bearer "+key1)
	w.want("second", status, answer, 429, `"reason":"rate"`)
	if first != 200 || header.Get("Retry-After") == "" {
		t.Errorf("first %d, Retry-After %q", first, header.Get("Retry-After"))
	}
	status, answer, _ = w.do("GET", "/v1/online", "", "Authorization: Bearer "+key2)
	w.want("another key", status, answer, 200)
}

// TestServerLimits: the server that main uses cuts off who drips.
func TestServerLimits(t *testing.T) {
	s := httpapi.Server(nil)
	for name, d := range map[string]time.Duration{
		"header": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout,
	} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("%s timeout is %v", name, d)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.WriteTimeout <= s.ReadTimeout {
		t.Errorf("%+v", s)
	}
}

// TestInFlight: beyond the limit a request is refused at once, and the place is
// free again afterwards.
func TestInFlight(t *testing.T) {
	w := newWorld(t, httpapi.Options{InFlight: 1})
	inside, leave := make(chan struct{}), make(chan struct{})
	w.pub.Answer(func(*pushpb.Push) error {
		close(inside)
		<-leave
		return nil
	})
	const push = "/goim/push/room?operation=1000&type=live&room=1"
	first := make(chan string, 1)
	go func() {
		_, answer, _ := w.do("POST", push, "x")
		first <- answer
	}()
	<-inside
	status, answer, header := w.do("GET", "/v1/online", "")
	w.want("second", status, answer, 503, `"reason":"overloaded"`)
	if header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(leave)
	if answer := <-first; !strings.Contains(answer, `"code":0`) {
		t.Errorf("first: %s", answer)
	}
	status, answer, _ = w.do("GET", "/v1/online", "")
	w.want("third", status, answer, 200)
}

// TestPanic: a handler that panics answers 500 and hurts nobody else.
func TestPanic(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := newWorld(t, httpapi.Options{InFlight: 1, Log: slog.New(slog.DiscardHandler), Metrics: reg})
	w.pub.Answer(func(*pushpb.Push) error { panic("on purpose") })
	status, answer, _ := w.do("POST", "/v1/push", `{"all":true,"op":1000}`, asJSON)
	w.want("panic", status, answer, 500, `"reason":"internal"`)
	w.pub.Answer(nil)
	status, answer, _ = w.do("POST", "/v1/push", `{"all":true,"op":1000}`, asJSON)
	w.want("after it", status, answer, 200)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "oort_logic_http_panics_total" && f.Metric[0].Counter.GetValue() == 1 {
			return
		}
	}
	t.Error("the panic was not counted")
}
