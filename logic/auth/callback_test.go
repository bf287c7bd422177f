package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/logic/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCallback returns a Callback that asks h.
func newCallback(t *testing.T, cfg webhook.Config, h http.HandlerFunc) *auth.Callback {
	t.Helper()
	server := httptest.NewServer(h)
	cfg.URL = server.URL
	client, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return auth.NewCallback(client)
}

func TestCallback(t *testing.T) {
	var got map[string]string
	c := newCallback(t, webhook.Config{}, func(w http.ResponseWriter, r *http.Request) {
		got = nil
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v: %v", r.Method, r.Header, err)
		}
		fmt.Fprint(w, `{"mid":5,"key":"k","room_id":"live://1","accepts":[1000],"more":1}`)
	})
	v := c.Authenticate(context.Background(), []logic.Credentials{{Body: []byte("cookie"), RemoteIP: "192.0.2.7", Origin: "https://a"}})[0]
	if v.Err != nil || v.Identity.Mid != 5 || v.Identity.Key != "k" || v.Identity.Room != "live://1" || v.Identity.AcceptsAll {
		t.Errorf("%+v", v)
	}
	if got["body"] != "cookie" || got["remote_ip"] != "192.0.2.7" || got["origin"] != "https://a" {
		t.Errorf("asked %v", got)
	}
	ask(c, "\xff\x00")
	if got["body_base64"] != "/wA=" || got["body"] != "" {
		t.Errorf("asked %v for a body that is no text", got)
	}
}

// TestCallbackAnswers: only a clear no is a no; anything else is worth another
// try.
func TestCallbackAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the credentials were carried to where a redirect pointed")
	}))
	defer elsewhere.Close()
	for _, c := range []struct {
		status int
		body   string
		want   error
	}{
		{200, `{}`, nil},
		{200, `{"mid":`, logic.ErrUnavailable},
		{200, `{"room_id":"nowhere"}`, logic.ErrUnavailable},
		{200, string(make([]byte, 65<<10)), logic.ErrUnavailable},
		{204, ``, logic.ErrUnavailable},
		{401, ``, logic.ErrDenied},
		{403, `{"mid":1}`, logic.ErrDenied},
		{404, ``, logic.ErrUnavailable},
		{307, ``, logic.ErrUnavailable},
		{500, ``, logic.ErrUnavailable},
	} {
		cb := newCallback(t, webhook.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		if v := ask(cb, "secret-in-a-body"); !errors.Is(v.Err, c.want) {
			t.Errorf("%d %.20q: %v, want %v", c.status, c.body, v.Err, c.want)
		} else if v.Err != nil {
			checkSilent(t, fmt.Sprint(c.status), v.Err, "secret-in-a-body")
		}
	}
}

// TestCallbackSlow: a service that hangs costs the timeout, no more calls than
// allowed are under way, and one slow answer does not hold the others up.
func TestCallbackSlow(t *testing.T) {
	release := make(chan struct{})
	var under, most atomic.Int32
	cb := newCallback(t, webhook.Config{Timeout: 300 * time.Millisecond, Concurrent: 3}, func(w http.ResponseWriter, r *http.Request) {
		n := under.Add(1)
		defer under.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		var q struct{ Body string }
		_ = json.NewDecoder(r.Body).Decode(&q)
		if q.Body == "slow" {
			<-release
		}
		fmt.Fprint(w, `{}`)
	})
	t.Cleanup(func() { close(release) })
	links := make([]logic.Credentials, 20)
	for i := range links {
		links[i].Body = []byte("fast")
	}
	links[0].Body, links[1].Body = []byte("slow"), []byte("slow")
	for i, v := range cb.Authenticate(context.Background(), links) {
		if i < 2 && !errors.Is(v.Err, logic.ErrUnavailable) || i >= 2 && v.Err != nil {
			t.Errorf("link %d: %v", i, v.Err)
		}
	}
	if most.Load() > 3 {
		t.Errorf("%d calls were under way at once", most.Load())
	}
}
