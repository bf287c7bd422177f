package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/httpapi"
	"github.com/oortim/oort/proto/pushpb"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }))
}

const asJSON = "Content-Type: application/json"

// want checks a status and that the answer contains each part.
func (w *world) want(name string, status int, answer string, wantStatus int, parts ...string) {
	w.t.Helper()
	if status != wantStatus {
		w.t.Errorf("%s: %d %s, want %d", name, status, answer, wantStatus)
	}
	for _, part := range parts {
		if !strings.Contains(answer, part) {
			w.t.Errorf("%s: %s lacks %s", name, answer, part)
		}
	}
}

func TestPush(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	w.connect(`{"mid":1,"key":"a"}`, `{"mid":2,"key":"b,c"}`)
	for _, c := range []struct {
		body   string
		status int
		parts  []string
		stored string
	}{
		{`{"room":"live://1000","op":1000,"body":"hi"}`, 200, []string{`"id":"`, `"accepted":1`}, `KIND_ROOM live://1000 [] "hi" LANE_CHAT`},
		{`{"id":"mine","keys":["a","b,c","x"],"op":1000,"body":"hi","lane":"system"}`, 200, []string{`{"id":"mine","accepted":2,"absent":["x"]}`}, `KIND_KEYS  [a b,c] "hi" LANE_SYSTEM`},
		{`{"mids":[1,9],"op":1000,"body_base64":"AP8="}`, 200, []string{`"accepted":1,"absent_mids":[9]`}, `KIND_KEYS  [a] "\x00\xff" LANE_CHAT`},
		{`{"all":true,"op":1000,"speed":5,"ttl_ms":1000}`, 200, []string{`"accepted":1`}, `KIND_ALL  [] "" LANE_CHAT`},
		{`{"keys":["x"],"op":1000}`, 200, []string{`"accepted":0,"absent":["x"]`}, ``},
		{`{"op":1000}`, 400, []string{`"reason":"target"`}, ``},
		{`{"room":"live://1","all":true,"op":1000}`, 400, []string{`"reason":"target"`}, ``},
		{`{"room":"live","op":1000}`, 400, []string{`"reason":"target"`}, ``},
		{`{"room":"live://1","op":5}`, 400, []string{`"reason":"op"`}, ``},
		{`{"room":"live://1","op":1000,"id":"a b"}`, 400, []string{`"reason":"id"`}, ``},
		{`{"room":"live://1","op":1000,"lane":"fast"}`, 400, []string{`"reason":"option"`}, ``},
		{`{"room":"live://1","op":1000,"ttl_ms":-1}`, 400, []string{`"reason":"option"`}, ``},
		{`{"room":"live://1","op":1000,"ttl_ms":9223372036854775807}`, 400, []string{`"reason":"option"`}, ``},
		{`{"room":"live://1","op":1000,"body":"a","body_base64":"AA=="}`, 400, []string{`"reason":"body"`}, ``},
		{`{"room":"live://1","op":1000,"body_base64":"?"}`, 400, []string{`"reason":"json"`}, ``},
		{`{"room":"live://1","op":1000,"ttl":5}`, 400, []string{`"reason":"json"`}, ``},
		{`{"room":"live://1","op":"1000"}`, 400, []string{`"reason":"json"`}, ``},
		{`{"room":"live://1","op":1000}{}`, 400, []string{`"reason":"json"`}, ``},
		{``, 400, []string{`"reason":"json"`}, ``},
		{`{"op":` + strings.Repeat("[", 500000), 400, []string{`"reason":"json"`}, ``},
		{strings.Repeat("[", 500000), 400, []string{`"reason":"json"`}, ``},
		{strings.Repeat(`{"a":`, 100000), 400, []string{`"reason":"json"`}, ``},
		{`null`, 400, nil, ``},
		{`7`, 400, []string{`"reason":"json"`}, ``},
		{`{"room":"live://1","op":1000,"body":"` + strings.Repeat("x", 65537) + `"}`, 413, []string{`"reason":"body_too_large"`}, ``},
		{`{"keys":[` + strings.Repeat(`"a",`, 1000) + `"a"],"op":1000}`, 413, []string{`"reason":"too_many_targets"`}, ``},
		{`{"room":"` + strings.Repeat("x", 1<<20) + `"}`, 413, []string{`"reason":"request_too_large"`}, ``},
	} {
		status, answer, _ := w.do("POST", "/v1/push", c.body, asJSON)
		w.want(fmt.Sprintf("%.100s", c.body), status, answer, c.status, c.parts...)
		if got := describe(w.pub.Take()); got != c.stored {
			t.Errorf("%.100s: stored %s, want %s", c.body, got, c.stored)
		}
	}
	for _, media := range []string{"", "Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded"} {
		status, answer, _ := w.do("POST", "/v1/push", `{"all":true,"op":1000}`, media)
		w.want(media, status, answer, 415, `"reason":"media_type"`)
	}
	status, answer, _ := w.do("POST", "/v1/push", `{"all":true,"op":1000}`, asJSON+"; charset=utf-8")
	w.want("charset", status, answer, 200)
}

func describe(records []*pushpb.Push) string {
	var list []string
	for _, r := range records {
		list = append(list, fmt.Sprintf("%v %s %v %q %v", r.Kind, r.Room, r.Keys, r.Body, r.Lane))
	}
	return strings.Join(list, "; ")
}

func TestPushBatch(t *testing.T) {
	w := newWorld(t, httpapi.Options{Batch: 3})
	w.connect(`{"key":"a"}`)
	good, bad := `{"room":"live://1","op":1000}`, `{"op":1000}`
	for _, c := range []struct {
		body   string
		status int
		parts  []string
		stored int
	}{
		{"[" + good + "," + good + "]", 200, []string{`{"results":[{"id":"`, `"accepted":1}`}, 2},
		{"[" + good + "," + bad + "]", 207, []string{`"accepted":1}`, `"reason":"target"`}, 1},
		{"[" + bad + "," + bad + "]", 400, []string{`"reason":"target"`}, 0},
		{" [" + good + "]", 200, nil, 1},
		{"[]", 413, []string{`"reason":"batch"`}, 0},
		{"[" + good + strings.Repeat(","+good, 3) + "]", 413, []string{`"reason":"batch"`}, 0},
		{"[" + good + `,{"lane":"x","room":"live://1","op":1000,"id":"n"}]`, 207, []string{`{"id":"n","accepted":0,"error":{"reason":"option"`}, 1},
		{"[" + good, 400, []string{`"reason":"json"`}, 0},
	} {
		status, answer, _ := w.do("POST", "/v1/push", c.body, asJSON)
		w.want(c.body, status, answer, c.status, c.parts...)
		if got := w.pub.Take(); len(got) != c.stored {
			t.Errorf("%s: stored %d, want %d", c.body, len(got), c.stored)
		}
	}
}

// TestPushFails: 503 means surely not stored, 504 means nobody knows.
func TestPushFails(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	one := `{"room":"live://1","op":1000}`
	for _, c := range []struct {
		err    error
		status int
		reason string
		goim   int
	}{
		{logic.ErrOverloaded, 503, "overloaded", -500},
		{fmt.Errorf("kafka: %w", logic.ErrNotStored), 503, "not_stored", -500},
		{errors.New("deadline"), 504, "unknown", -500},
	} {
		w.pub.Answer(func(*pushpb.Push) error { return c.err })
		for name, body := range map[string]string{"one": one, "batch": "[" + one + "," + one + "]"} {
			status, answer, header := w.do("POST", "/v1/push", body, asJSON)
			w.want(fmt.Sprint(name, " ", c.err), status, answer, c.status, c.reason)
			if name == "one" && (header.Get("Retry-After") != "") != (status == 503) {
				t.Errorf("%v: Retry-After is %q", c.err, header.Get("Retry-After"))
			}
		}
		status, answer, _ := w.do("POST", "/goim/push/room?operation=1000&type=live&room=1", "x")
		w.want(fmt.Sprint("goim ", c.err), status, answer, 200, fmt.Sprintf(`"code":%d`, c.goim))
	}
	w.pub.Answer(func(p *pushpb.Push) error {
		if p.Room == "live://2" {
			return errors.New("deadline")
		}
		return nil
	})
	status, answer, _ := w.do("POST", "/v1/push", "["+one+`,{"room":"live://2","op":1000}]`, asJSON)
	w.want("one of two unknown", status, answer, 504, `"accepted":1}`, `"reason":"unknown"`)
}

func TestKickAndSessions(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	w.connect(`{"mid":1,"key":"a"}`, `{"mid":1,"key":"b"}`)
	for _, c := range []struct {
		body   string
		status int
		part   string
	}{
		{`{"key":"a"}`, 200, `{"kicked":1}`},
		{`{"mid":1,"reason":"banned"}`, 200, `{"kicked":2}`},
		{`{"key":"x"}`, 200, `{"kicked":0}`},
		{`{}`, 400, `"reason":"target"`},
		{`{"key":"a","mid":1}`, 400, `"reason":"target"`},
		{`{"key":"a b"}`, 400, `"reason":"target"`},
		{`{"key":"a","reason":"A B"}`, 400, `"reason":"option"`},
		{`{"key":"a","why":"x"}`, 400, `"reason":"json"`},
	} {
		status, answer, _ := w.do("POST", "/v1/kick", c.body, asJSON)
		w.want(c.body, status, answer, c.status, c.part)
	}
	for _, c := range []struct {
		query  string
		status int
		parts  []string
	}{
		{"key=a", 200, []string{`{"sessions":[{"key":"a","mid":1,"server":"c1@`, `"link":1,"epoch":`}},
		{"mid=1", 200, []string{`"key":"a"`, `"key":"b"`}},
		{"key=x", 200, []string{`{"sessions":[]}`}},
		{"", 400, []string{`"reason":"target"`}},
		{"mid=x", 400, []string{`"reason":"target"`}},
		{"mid=0", 400, []string{`"reason":"target"`}},
		{"key=a&mid=1", 400, []string{`"reason":"target"`}},
	} {
		status, answer, _ := w.do("GET", "/v1/sessions?"+c.query, "")
		w.want(c.query, status, answer, c.status, c.parts...)
	}
}

func TestReads(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	for _, c := range []struct {
		path   string
		status int
		want   string // the whole answer if it begins with {
	}{
		{"/goim/online/top?type=live&limit=10", 200, `{"code":0,"message":"","data":[{"room_id":"2000","count":7},{"room_id":"1000","count":3}]}`},
		{"/goim/online/top?type=live&n=1", 200, `{"code":0,"message":"","data":[{"room_id":"2000","count":7}]}`},
		{"/goim/online/top?type=none&limit=10", 200, `{"code":0,"message":"","data":[]}`},
		{"/goim/online/top?limit=10", 200, `"code":-400`},
		{"/goim/online/top?type=live&limit=0", 200, `"code":-400`},
		{"/goim/online/room?type=live&rooms=1000&rooms=9", 200, `{"code":0,"message":"","data":{`},
		{"/goim/online/room?type=live&rooms=2000", 200, `{"code":0,"message":"","data":{"2000":7}}`},
		{"/goim/online/room?type=live", 200, `"code":-400`},
		{"/goim/online/room?type=&rooms=x", 200, `"code":-400`},
		{"/goim/online/total", 200, `{"code":0,"message":"","data":{"conn_count":15,"ip_count":0}}`},
		{"/goim/nodes/weighted?platform=ios", 200, `{"code":0,"message":"","data":{"domain":"127.0.0.1","tcp_port":3101,"ws_port":3102,"wss_port":0,"heartbeat":30,"nodes":["127.0.0.1"],"backoff":{"max_delay":300,"base_delay":3,"factor":1.8,"jitter":0.3},"heartbeat_max":3}}`},
		{"/goim/nodes/weighted?platform=web", 200, `"nodes":["127.0.0.1:4102"]`},
		{"/goim/nodes/instances", 200, `"region":"sh","appid":"goim.comet","hostname":"c1","addrs":["grpc://127.0.0.1:3109"]`},
		{"/v1/rooms/top?n=2", 200, `{"rooms":[{"room":"live://2000","links":7},{"room":"game://1","links":5}]}`},
		{"/v1/rooms/top?type=live&n=1", 200, `{"rooms":[{"room":"live://2000","links":7}]}`},
		{"/v1/rooms/top?n=x", 400, `"reason":"limit"`},
		{"/v1/rooms/live%3A%2F%2F1000", 200, `{"room":"live://1000","links":3}`},
		{"/v1/rooms/live/1000", 200, `{"room":"live://1000","links":3}`},
		{"/v1/rooms/live:/1000", 200, `{"room":"live://1000","links":3}`},
		{"/v1/rooms/live/none", 200, `{"room":"live://none","links":0}`},
		{"/v1/rooms/live", 400, `"reason":"room"`},
		{"/v1/rooms/", 400, `"reason":"room"`},
		{"/v1/online", 200, `{"links":15,"connects":0,"rooms":3,"comets":1,"regions":{"sh":{"links":15,"connects":0,"rooms":3,"comets":1}}}`},
		{"/v1/online?region=sh", 200, `{"links":15,"connects":0,"rooms":3,"comets":1}`},
		{"/v1/online?region=", 200, `{"links":0,"connects":0,"rooms":0,"comets":0}`},
		{"/v1/rooms/top?n=2&region=none", 200, `{"rooms":[]}`},
		{"/v1/rooms/live/2000?region=sh", 200, `"links":7`},
		{"/v1/rooms/live/2000?region=none", 200, `"links":0`},
		{"/goim/online/total?region=none", 200, `"conn_count":0`},
		{"/v1/nodes?lat=31&lon=121&client=me&ip=::1", 200, `"tcp":["127.0.0.1:3101"]`},
		{"/v1/nodes", 200, `{"tcp":["127.0.0.1:3101"],"ws":["127.0.0.1:4102"],"heartbeat_ms":30000,"backoff":{"base_ms":3000,"max_ms":300000,"factor":1.8,"jitter":0.3}}`},
		{"/v1/nothing", 404, `"reason":"not_found"`},
		{"/goim/nothing", 404, `"reason":"not_found"`},
		{"/", 404, `"reason":"not_found"`},
		{"/v1/push", 405, `"reason":"method"`},
		{"/healthz", 200, "ok\n"},
	} {
		status, answer, header := w.do("GET", c.path, "")
		w.want(c.path, status, answer, c.status, c.want)
		if header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: CORS is on", c.path)
		}
	}
}

func TestNoNodes(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	if err := w.svc.Leave(t.Context(), w.c1); err != nil {
		t.Fatal(err)
	}
	status, answer, _ := w.do("GET", "/goim/nodes/weighted", "")
	w.want("goim", status, answer, 200, `"code":-500`, "no comet")
	status, answer, _ = w.do("GET", "/v1/nodes", "")
	w.want("v1", status, answer, 503, `"reason":"no_nodes"`)
}

// TestLimits of goim's pushes: at the limit it works, above it does not.
func TestLimits(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	for n, code := range map[int]string{65536: `"code":0`, 65537: `"code":-400`} {
		status, answer, _ := w.do("POST", "/goim/push/room?operation=1000&type=live&room=1", strings.Repeat("x", n))
		w.want(fmt.Sprint(n, " bytes"), status, answer, 200, code)
	}
	for n, code := range map[int]string{1000: `"code":0`, 1001: `"code":-400`} {
		status, answer, _ := w.do("POST", "/goim/push/keys?operation=1000&keys="+strings.Repeat("a,", n), "x")
		w.want(fmt.Sprint(n, " keys"), status, answer, 200, code)
	}
	long := base64.StdEncoding.EncodeToString(make([]byte, 60000))
	status, answer, _ := w.do("POST", "/v1/push", `{"room":"live://1","op":1000,"body_base64":"`+long+`"}`, asJSON)
	w.want("base64", status, answer, 200)
	if got := w.pub.Take(); len(got[len(got)-1].Body) != 60000 {
		t.Errorf("stored %d bytes", len(got[len(got)-1].Body))
	}
}

// TestHostileJSON: whatever comes, the answer is JSON in UTF-8, and the process
// lives.
func TestHostileJSON(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	for name, body := range map[string]string{
		"not UTF-8":        "{\"id\":\xff\xfe",
		"not UTF-8 field":  "{\"\xff\xfe\":1}",
		"text that is cut": `{"id":x` + strings.Repeat("ü", 300),
		"cut at odd":       `{"id": x` + strings.Repeat("ü", 300),
		"deep lists":       `{"keys":` + strings.Repeat("[", 500_000),
		"deep objects":     strings.Repeat(`{"keys":`, 100_000),
		"deep unknown":     `{"who":` + strings.Repeat("[", 500_000),
		"deep batch":       strings.Repeat("[", 900_000),
		"deep and whole":   `[` + strings.Repeat("[", 400_000) + strings.Repeat("]", 400_000) + `]`,
	} {
		for _, path := range []string{"/v1/push", "/v1/kick"} {
			status, answer, _ := w.do("POST", path, body, asJSON)
			var parsed struct{ Error struct{ Reason string } }
			if err := json.Unmarshal([]byte(answer), &parsed); err != nil || parsed.Error.Reason != "json" || status != 400 || !utf8.ValidString(answer) {
				t.Errorf("%s: %s: %d %q (%v)", path, name, status, answer, err)
			}
		}
	}
	status, answer, _ := w.do("GET", "/v1/online", "")
	w.want("afterwards", status, answer, 200)
}
