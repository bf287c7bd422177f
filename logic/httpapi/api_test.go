package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/logic/httpapi"
	"github.com/oortim/oort/logic/logictest"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// world is a logic with one comet, c1, and what it stored.
type world struct {
	t   *testing.T
	svc *logic.Service
	pub *logictest.Publisher
	url string
	c1  ident.Server

	asker asker
}

func newWorld(t *testing.T, opt httpapi.Options) *world {
	t.Helper()
	store := session.NewMemory(session.TTLs{}, nil)
	w := &world{t: t, pub: &logictest.Publisher{}, c1: ident.NewServer("c1", time.Now())}
	svc, err := logic.New(logic.Config{Sessions: store, Registry: store, Publisher: w.pub, Auth: auth.Open{}, Asker: &w.asker})
	if err != nil {
		t.Fatal(err)
	}
	h, err := httpapi.New(svc, opt)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.Close()
		if err := svc.Close(); err != nil {
			t.Error(err)
		}
	})
	w.svc, w.url = svc, server.URL
	w.renew(1, map[string]int32{"live://1000": 3, "live://2000": 7, "game://1": 5})
	return w
}

func (w *world) renew(counter uint64, rooms map[string]int32) {
	w.t.Helper()
	_, _, err := w.svc.Renew(context.Background(), logic.Comet{
		Server: w.c1, GRPCAddr: "127.0.0.1:3109", TCPAddr: "127.0.0.1", WSAddr: "127.0.0.1:4102",
		Region: "sh", Weight: 10, Links: 15, MaxLinks: 100, Counter: counter,
	}, rooms)
	if err != nil {
		w.t.Fatal(err)
	}
}

// connect lets links in, one a body.
func (w *world) connect(bodies ...string) []logic.ConnectResult {
	w.t.Helper()
	reqs := make([]logic.ConnectRequest, len(bodies))
	for i, body := range bodies {
		reqs[i] = logic.ConnectRequest{Link: uint64(i + 1), Credentials: logic.Credentials{Body: []byte(body)}}
	}
	results := w.svc.Connect(context.Background(), w.c1, reqs)
	for _, r := range results {
		if r.Status != logic.StatusOK {
			w.t.Fatalf("connect: %v %s", r.Status, r.Message)
		}
	}
	return results
}

// do sends a request; head is "Name: value" lines.
func (w *world) do(method, path, body string, head ...string) (status int, answer string, header http.Header) {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, line := range head {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestGoimPush(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	w.connect(
		`{"mid":1,"key":"a","room_id":"live://1000","platform":"web","accepts":[1000]}`,
		`{"mid":2,"key":"b","room_id":"live://1000"}`, `{"mid":2,"key":"c"}`)
	room := &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: "live://1000"}
	keys := func(keys ...string) *pushpb.Push {
		return &pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Server: string(w.c1), Keys: keys}
	}
	for _, c := range []struct {
		query string
		want  *pushpb.Push // nil: nothing is stored
		code  string
	}{
		{"keys?operation=1000&keys=a&keys=b", keys("a", "b"), `{"code":0,"message":""}`},
		{"keys?operation=1000&keys=a,b", keys("a", "b"), `{"code":0,"message":""}`},
		{"keys?operation=1000&keys=a&keys=a&keys=nobody", keys("a"), `{"code":0,"message":""}`},
		{"keys?operation=1000&keys=nobody", nil, `{"code":0,"message":""}`},
		{"keys?operation=1000", nil, `"code":-400`},
		{"keys?keys=a", nil, `"code":-400`},
		{"keys?operation=9&keys=a", nil, `"code":-400`},
		{"mids?operation=1000&mids=1", keys("a"), `{"code":0,"message":""}`},
		{"mids?operation=1000&mids=2", keys("b", "c"), `{"code":0,"message":""}`},
		{"mids?operation=1000&mids=0", nil, `"code":-400`},
		{"mids?operation=1000&mids=x", nil, `"code":-400`},
		{"room?operation=1000&type=live&room=1000", room, `{"code":0,"message":""}`},
		{"room?operation=1000&room=live://1000", room, `{"code":0,"message":""}`},
		{"room?operation=1000&type=live", nil, `"code":-400`},
		{"room?operation=1000&type=live&room=1000%0aDEL", nil, `"code":-400`},
		{"all?operation=1000&speed=32", &pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Speed: 32}, `{"code":0,"message":""}`},
		{"all?operation=1000&speed=-1", nil, `"code":-400`},
	} {
		status, answer, _ := w.do("POST", "/goim/push/"+c.query, "hello", "Content-Type: application/x-www-form-urlencoded")
		if status != 200 || !strings.Contains(answer, c.code) {
			t.Errorf("%s: %d %s, want %s", c.query, status, answer, c.code)
		}
		checkStored(t, c.query, w.pub.Take(), c.want)
	}
}

// checkStored compares one record but for what is new in each.
func checkStored(t *testing.T, name string, got []*pushpb.Push, want *pushpb.Push) {
	t.Helper()
	if want == nil {
		if len(got) > 0 {
			t.Errorf("%s: stored %v, want nothing", name, got)
		}
		return
	}
	if len(got) != 1 {
		t.Errorf("%s: stored %v, want one record", name, got)
		return
	}
	g := got[0]
	if g.Id == "" || g.AcceptedUs == 0 || g.ExpiresUs <= g.AcceptedUs || g.Op != 1000 || string(g.Body) != "hello" || g.Lane != pushpb.Lane_LANE_CHAT {
		t.Errorf("%s: stored %v, want id, times, op, body and lane", name, g)
	}
	sorted := map[string]bool{}
	for _, k := range g.Keys {
		sorted[k] = true
	}
	for _, k := range want.Keys {
		if !sorted[k] {
			t.Errorf("%s: key %q is missing in %v", name, k, g.Keys)
		}
	}
	if g.Kind != want.Kind || g.Room != want.Room || g.Server != want.Server || g.Speed != want.Speed || len(g.Keys) != len(want.Keys) {
		t.Errorf("%s: stored %v, want %v", name, g, want)
	}
}
