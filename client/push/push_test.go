package push_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/client/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve is an API that answers everything by h.
func serve(t *testing.T, h http.HandlerFunc) *push.Client {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &push.Client{API: srv.URL + "/", Key: "s3cret", HTTP: srv.Client()}
}

func TestRequest(t *testing.T) {
	tests := []struct {
		push push.Push
		want string
	}{
		{push.Push{Room: "live://1", Op: 1000, Body: []byte("héy")}, `{"room":"live://1","op":1000,"body":"héy"}`},
		{push.Push{Room: "live://1", Op: 1000}, `{"room":"live://1","op":1000,"body":""}`},
		{push.Push{Keys: []string{"a", "b"}, Op: 100, Body: []byte{0xff, 0}}, `{"keys":["a","b"],"op":100,"body_base64":"/wA="}`},
		{push.Push{ID: "x", Mids: []int64{1 << 60}, Op: 100, Body: []byte("b"), Lane: "gift", TTL: 1500 * time.Millisecond, Collapse: "c"},
			`{"id":"x","mids":[1152921504606846976],"op":100,"body":"b","lane":"gift","ttl_ms":1500,"collapse":"c"}`},
		{push.Push{All: true, Speed: 9, Op: 100}, `{"all":true,"op":100,"body":"","speed":9}`},
	}
	for _, tt := range tests {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Method != "POST" || r.URL.Path != "/v1/push" || string(body) != tt.want ||
				r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s %v\n got %s\nwant %s", r.Method, r.URL, r.Header, body, tt.want)
			}
			io.WriteString(w, `{"id":"01J","accepted":1,"absent":["b"],"absent_mids":[7]}`)
		})
		got, err := c.Push(context.Background(), tt.push)
		if err != nil || got.ID != "01J" || got.Accepted != 1 || got.Absent[0] != "b" || got.AbsentMids[0] != 7 {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		status  int
		body    string
		outcome push.Outcome
		is      []error
	}{
		{400, `{"error":{"reason":"bad_room","message":"room \"x\""}}`, push.Refused, []error{push.ErrRefused, push.ErrNotStored}},
		{401, ``, push.Refused, []error{push.ErrRefused}},
		{413, `too large`, push.Refused, []error{push.ErrRefused}},
		{408, ``, push.NotStored, []error{push.ErrNotStored}},
		{429, ``, push.NotStored, []error{push.ErrNotStored}},
		{503, ``, push.NotStored, []error{push.ErrNotStored}},
		{504, ``, push.Unknown, []error{push.ErrUnknown}},
		{502, ``, push.Unknown, []error{push.ErrUnknown}},
		{500, ``, push.Unknown, []error{push.ErrUnknown}},
		{200, `no JSON`, push.Unknown, []error{push.ErrUnknown}},
	}
	for _, tt := range tests {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		_, err := c.Push(context.Background(), push.Push{Room: "live://1", Op: 1000})
		var e *push.Error
		if !errors.As(err, &e) || e.Outcome != tt.outcome || e.Status != tt.status {
			t.Errorf("%d: %v", tt.status, err)
			continue
		}
		for _, is := range tt.is {
			if !errors.Is(err, is) {
				t.Errorf("%d: %v is not %v", tt.status, err, is)
			}
		}
		if tt.outcome != push.Unknown && errors.Is(err, push.ErrUnknown) || tt.outcome == push.NotStored && errors.Is(err, push.ErrRefused) {
			t.Errorf("%d: %v is too much", tt.status, err)
		}
		if tt.status == 400 && (e.Reason != "bad_room" || e.Message != `room "x"`) || tt.status == 503 && e.Retry != 3*time.Second {
			t.Errorf("%d: %+v", tt.status, e)
		}
	}
}

func TestBatch(t *testing.T) {
	const partly = `{"results":[{"id":"a","accepted":2,"unknown":["k"],"error":{"reason":"unknown","message":"m"}},
		{"id":"b","error":{"reason":"overloaded","message":"m"}},{"id":"","error":{"reason":"target","message":"m"}},{"id":"d"}]}`
	tests := []struct {
		status int
		body   string
		want   []error // of the results; nil: there are none
		err    error
	}{
		{504, partly, []error{push.ErrUnknown, push.ErrNotStored, push.ErrRefused, nil}, nil},
		{207, partly, []error{push.ErrUnknown, push.ErrNotStored, push.ErrRefused, nil}, nil},
		{413, `{"error":{"reason":"batch","message":"too many"}}`, nil, push.ErrRefused},
		{200, `{"results":[]}`, nil, push.ErrUnknown},
		{200, `cut off`, nil, push.ErrUnknown},
		{504, ``, nil, push.ErrUnknown},
	}
	for _, tt := range tests {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); string(body) != `[{"room":"live://1","op":1000,"body":""},{"all":true,"op":1000,"body":""},{"op":1000,"body":""},{"op":1000,"body":""}]` {
				t.Errorf("sent %s", body)
			}
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		got, err := c.PushBatch(context.Background(), []push.Push{{Room: "live://1", Op: 1000}, {All: true, Op: 1000}, {Op: 1000}, {Op: 1000}})
		if len(got) != len(tt.want) || !errors.Is(err, tt.err) || err != nil && strings.Contains(err.Error(), "%!") {
			t.Errorf("%d %s: got %v, %v", tt.status, tt.body, got, err)
			continue
		}
		for i, want := range tt.want {
			if !errors.Is(got[i].Err, want) || want == push.ErrNotStored && errors.Is(got[i].Err, push.ErrRefused) {
				t.Errorf("result %d: %v, want %v", i, got[i].Err, want)
			}
		}
	}
}

// Without an answer it counts whether the request was written.
func TestNoAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	c := &push.Client{API: "http://" + addr, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	if _, err := c.Push(context.Background(), push.Push{All: true, Op: 1000}); !errors.Is(err, push.ErrNotStored) || errors.Is(err, push.ErrRefused) {
		t.Errorf("nobody listens: %v", err)
	}
	c = serve(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := c.Push(context.Background(), push.Push{All: true, Op: 1000}); !errors.Is(err, push.ErrUnknown) {
		t.Errorf("cut off: %v", err)
	}
	c = &push.Client{API: "http://a b"}
	if _, err := c.Push(context.Background(), push.Push{All: true, Op: 1000}); !errors.Is(err, push.ErrRefused) {
		t.Errorf("bad address: %v", err)
	}
}

func TestGoim(t *testing.T) {
	tests := []struct {
		push push.Push
		want string
	}{
		{push.Push{Room: "live://1000", Op: 1000}, "/goim/push/room?operation=1000&room=1000&type=live"},
		{push.Push{Keys: []string{"a", "b&c"}, Op: 1000}, "/goim/push/keys?keys=a&keys=b%26c&operation=1000"},
		{push.Push{Mids: []int64{1, 2}, Op: 1000}, "/goim/push/mids?mids=1&mids=2&operation=1000"},
		{push.Push{All: true, Speed: 5, Op: 1000}, "/goim/push/all?operation=1000&speed=5"},
	}
	for _, tt := range tests {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); r.RequestURI != tt.want || string(body) != "hi" {
				t.Errorf("got %s %q, want %s", r.RequestURI, body, tt.want)
			}
			json.NewEncoder(w).Encode(map[string]any{"code": 0, "message": ""})
		})
		tt.push.Body = []byte("hi")
		if err := c.Goim(context.Background(), tt.push); err != nil {
			t.Error(err)
		}
	}
}

func TestGoimErrors(t *testing.T) {
	tests := []struct {
		push push.Push
		body string
		want error
	}{
		{push.Push{Room: "live://1"}, `{"code":-400,"message":"bad"}`, push.ErrRefused},
		{push.Push{Room: "live://1"}, `{"code":-500,"message":"oops"}`, push.ErrUnknown},
		{push.Push{Room: "live://1"}, `oops`, push.ErrUnknown},
		{push.Push{Room: "nowhere"}, ``, push.ErrRefused},
		{push.Push{Room: "live://1", ID: "x"}, ``, push.ErrRefused},
	}
	for _, tt := range tests {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, tt.body) })
		if err := c.Goim(context.Background(), tt.push); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.push, err, tt.want)
		}
	}
}
