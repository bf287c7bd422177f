package httpapi_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/oortim/oort/logic/httpapi"
)

// TestScopes: each key is good for what its line says, and one without scopes,
// as all were once, for all.
func TestScopes(t *testing.T) {
	const colon = "0123456789abcdef:0123456789ABCDEF" // a key may have one
	w := newWorld(t, httpapi.Options{Log: slog.New(slog.DiscardHandler), Keys: readKeys(t, strings.Join([]string{
		"all:" + key1, "push:" + key2 + ":push", "both:" + key1 + "b:push,read", "admin:" + key1 + "c:admin", "colon:" + colon,
	}, "\n"))})
	requests := map[string][3]string{
		"push":      {"POST", "/v1/push", `{"all":true,"op":1000}`},
		"goim push": {"POST", "/goim/push/all?operation=1000", "x"},
		"read":      {"GET", "/v1/online", ""},
		"goim read": {"GET", "/goim/online/total", ""},
		"kick":      {"POST", "/v1/kick", `{"key":"a"}`},
		"unknown":   {"POST", "/v1/nothing", ""},
		"delete":    {"DELETE", "/v1/push", ""},
	}
	for key, good := range map[string]string{
		key1: "push, goim push, read, goim read, kick, unknown, delete", colon: "push, goim push, read, goim read, kick, unknown, delete",
		key2: "push, goim push", key1 + "b": "push, goim push, read, goim read", key1 + "c": "kick, unknown, delete",
	} {
		for name, r := range requests {
			status, answer, _ := w.do(r[0], r[1], r[2], "Authorization: Bearer "+key, asJSON)
			allowed := strings.Contains(", "+good+",", ", "+name+",")
			if allowed != (status != 403) || status == 401 || !allowed && !strings.Contains(answer, `"reason":"scope"`) {
				t.Errorf("%s…: %s: %d %s", key[:8], name, status, answer)
			}
		}
	}
}

// TestKeysChange: keys that come and go count from the next request on.
func TestKeysChange(t *testing.T) {
	var now atomic.Pointer[httpapi.Keys]
	set := func(file string) { keys := readKeys(t, file)(); now.Store(&keys) }
	set("a:" + key1)
	w := newWorld(t, httpapi.Options{Keys: func() httpapi.Keys { return *now.Load() }, Rate: 1000})
	for _, step := range []struct {
		file       string
		one, other int
	}{{"a:" + key1, 200, 401}, {"a:" + key1 + "\nb:" + key2, 200, 200}, {"b:" + key2, 401, 200}} {
		set(step.file)
		one, _, _ := w.do("GET", "/v1/online", "", "Authorization: Bearer "+key1)
		other, _, _ := w.do("GET", "/v1/online", "", "Authorization: Bearer "+key2)
		if one != step.one || other != step.other {
			t.Errorf("with %d lines: %d and %d, want %d and %d", strings.Count(step.file, ":"), one, other, step.one, step.other)
		}
	}
}

// TestAudit: an administrative request leaves a line that says who, from where,
// what, and with what answer, in a quiet log too; others leave none, and no key
// is in it.
func TestAudit(t *testing.T) {
	var log bytes.Buffer
	quiet := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	w := newWorld(t, httpapi.Options{Keys: readKeys(t, "ops:"+key1+"\nchat:"+key2+":push"), Log: quiet})
	for _, row := range []struct {
		method, path, body, key string
		want                    map[string]string // nil: no line
	}{
		{"POST", "/v1/kick?x=1", `{"key":"a","reason":"spam"}`, key1, map[string]string{
			"who": "ops", "from": "127.0.0.1", "status": "200", "method": "POST", "path": "/v1/kick", "query": "x=1", "body": `{"key":"a","reason":"spam"}`,
		}},
		{"POST", "/v1/kick", `{"key":"a"}`, key2, map[string]string{"who": "chat", "status": "403", "path": "/v1/kick"}},
		{"DELETE", "/v1/messages/m", "", key1, map[string]string{"who": "ops", "method": "DELETE", "path": "/v1/messages/m"}},
		{"POST", "/v1/kick", "{" + strings.Repeat(" ", 5000) + "}", key1, map[string]string{"who": "ops", "body": "{" + strings.Repeat(" ", 1023)}},
		{"POST", "/v1/kick", `{"key":"a"}`, "nobody's key, and long", nil},
		{"POST", "/v1/push", `{"all":true,"op":1000}`, key1, nil},
		{"GET", "/v1/online", "", key1, nil},
	} {
		log.Reset()
		w.do(row.method, row.path, row.body, "Authorization: Bearer "+row.key, asJSON)
		checkAudit(t, row.method+" "+row.path, log.Bytes(), row.want)
		if strings.Contains(log.String(), row.key) {
			t.Errorf("%s: the key is in the log: %s", row.path, &log)
		}
	}
}

func checkAudit(t *testing.T, name string, line []byte, want map[string]string) {
	t.Helper()
	if want == nil {
		if len(line) > 0 {
			t.Errorf("%s: %s, want no line", name, line)
		}
		return
	}
	var got struct {
		Time  string            `json:"time"`
		Audit map[string]string `json:"audit"`
	}
	if err := json.Unmarshal(line, &got); err != nil || got.Time == "" {
		t.Errorf("%s: %v in %s", name, err, line)
	}
	for field, value := range want {
		if got.Audit[field] != value {
			t.Errorf("%s: %s is %q, want %q", name, field, got.Audit[field], value)
		}
	}
}
