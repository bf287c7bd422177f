package cli_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/oortim/oort/client"
	"github.com/oortim/oort/client/cli"
	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/proto/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run parses args as main does and runs the command.
func run(ctx context.Context, in string, out io.Writer, args ...string) error {
	var grammar struct {
		Client cli.Commands `cmd:""`
	}
	k, err := kong.New(&grammar, kong.Name("oort"), kong.Writers(out, out))
	if err != nil {
		return err
	}
	kctx, err := k.Parse(append([]string{"client"}, args...))
	if err != nil {
		return err
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	kctx.BindTo(strings.NewReader(in), (*io.Reader)(nil))
	kctx.BindTo(out, (*io.Writer)(nil))
	return kctx.Run()
}

// lines is an output that a test may read while it grows.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
	on  map[string]func() // called when the text has been written
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	l.buf.Write(b)
	var call []func()
	for text, f := range l.on {
		if bytes.Contains(b, []byte(text)) {
			call = append(call, f)
		}
	}
	l.mu.Unlock()
	for _, f := range call {
		f()
	}
	return len(b), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// comet answers auth and heartbeats on every link, sends frames after the
// first heartbeat, and answers op 4 with its body in capitals.
func comet(t *testing.T, frames ...[]byte) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer conn.Close(); talk(conn, frames) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return "tcp://" + ln.Addr().String()
}

func talk(conn net.Conn, frames [][]byte) {
	buf := make([]byte, 4096)
	n := 0
	for {
		m, err := conn.Read(buf[n:])
		if err != nil {
			return
		}
		n += m
		f, used, err := frame.Next(buf[:n], len(buf))
		if err != nil {
			return
		}
		if used == 0 {
			continue
		}
		var body []byte
		switch f.Op {
		case frame.OpHeartbeat:
			body = binary.BigEndian.AppendUint32(nil, 12)
		case frame.OpMessage:
			body = bytes.ToUpper(f.Body)
		}
		conn.Write(frame.Append(nil, f.Op+1, f.Seq, body))
		if f.Op == frame.OpHeartbeat {
			for _, f := range frames {
				conn.Write(f)
			}
			frames = nil
		}
		n = copy(buf, buf[used:n])
	}
}

func mk(op frame.Op, body string) []byte { return frame.Append(nil, op, 3, []byte(body)) }

var traffic = [][]byte{
	mk(1000, "hello \x1b[2Jworld\n"), mk(1001, "\xff\x00"),
	mk(frame.OpGap, `{"room":"live://1","lane":"chat","skipped":37}`), mk(1002, "last"),
}

func TestJoinForPeople(t *testing.T) {
	out := new(lines)
	err := run(context.Background(), "", out, "join", "live://1", "--addr", comet(t, traffic...), "--count", "4")
	if err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{"-- in live://1 at tcp://", "-- 12 online", "  1000  hello �[2Jworld", "  1001  2 bytes: ff00",
		"-- gap: 37 messages of lane chat in live://1 were dropped", "  1002  last"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.ContainsRune(got, '\x1b') {
		t.Errorf("an escape sequence passed: %q", got)
	}
}

func TestJoinJSON(t *testing.T) {
	out := new(lines)
	if err := run(context.Background(), "", out, "join", "live://1", "--json", "--addr", comet(t, traffic...), "--count", "4"); err != nil {
		t.Fatal(err)
	}
	var events []map[string]any
	for line := range strings.Lines(out.String()) {
		e := map[string]any{}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	byName := map[any][]map[string]any{}
	for _, e := range events {
		byName[e["event"]] = append(byName[e["event"]], e)
	}
	m := byName["message"]
	if len(m) != 3 || m[0]["body"] != "hello \x1b[2Jworld\n" || m[0]["op"] != 1000.0 || m[0]["seq"] != 3.0 ||
		m[1]["body_base64"] != "/wA=" || m[1]["body"] != nil {
		t.Errorf("messages %v", m)
	}
	if events[0]["event"] != "connected" || byName["online"][0]["online"] != 12.0 || byName["gap"] == nil {
		t.Errorf("events %v", events)
	}
}

func TestJoinEndsOnInterrupt(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out := &lines{on: map[string]func(){"12 online": cancel}}
	if err := run(ctx, "", out, "join", "live://1", "--addr", comet(t)); err != nil || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A drained link comes back by itself, or ends the command with --once.
func TestJoinAfterDisconnect(t *testing.T) {
	gone := mk(frame.OpDisconnect, `{"code":3005,"reason":"draining","retry_ms":5}`)
	out := new(lines)
	if err := run(context.Background(), "", out, "join", "live://1", "--addr", comet(t, mk(1000, "a"), gone, mk(1000, "b")), "--count", "2"); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "draining (3005)") || !strings.Contains(got, "again in 5ms") || strings.Count(got, "-- in live://1") != 2 {
		t.Errorf("got\n%s", got)
	}
	var d *client.DisconnectError
	err := run(context.Background(), "", io.Discard, "join", "live://1", "--once", "--addr", comet(t, gone))
	if !errors.As(err, &d) || d.Code != client.CodeDraining {
		t.Errorf("--once: %v", err)
	}
	kicked := mk(frame.OpDisconnect, `{"code":3008,"reason":"kicked"}`)
	if err := run(context.Background(), "", out, "join", "live://1", "--addr", comet(t, kicked)); !errors.As(err, &d) {
		t.Errorf("kicked: %v", err)
	}
}

func TestSay(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), "", &out, "say", "hello", "you", "--addr", comet(t)); err != nil || out.String() != "HELLO YOU\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestJoinByNodes(t *testing.T) {
	addr := strings.TrimPrefix(comet(t, mk(1000, "found")), "tcp://")
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"code":0,"data":{"tcp_port":3101,"nodes":["`+addr+`"]}}`)
	}))
	defer api.Close()
	defer http.DefaultClient.CloseIdleConnections()
	out := new(lines)
	if err := run(context.Background(), "", out, "join", "live://1", "--api", api.URL, "--count", "1"); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "-- in live://1 at tcp://"+addr) || !strings.Contains(got, "found") {
		t.Errorf("got\n%s", got)
	}
	var said strings.Builder
	if err := run(context.Background(), "", &said, "say", "hi", "--api", api.URL); err != nil || said.String() != "HI\n" {
		t.Errorf("say: %q, %v", said.String(), err)
	}
}

func TestSend(t *testing.T) {
	requests := make(chan string, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		requests <- r.RequestURI + " " + r.Header.Get("Authorization") + " " + string(b)
		io.WriteString(w, `{"code":0,"id":"01J","absent":["k2"],"absent_mids":[8]}`)
	}))
	defer api.Close()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("# ours\n\nops:s3cret\nother:no\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		in   string
		args []string
		want string
		out  string
	}{
		{"", []string{"--room", "live://1", "hello", "you"}, `/v1/push  {"room":"live://1","op":1000,"body":"hello you"}`, "stored 01J\nabsent key k2\nabsent mid 8\n"},
		{"from stdin\n", []string{"--key", "a", "--key", "b", "--op", "1001"}, `/v1/push  {"keys":["a","b"],"op":1001,"body":"from stdin"}`, "stored 01J\nabsent key k2\nabsent mid 8\n"},
		{"", []string{"--mid", "7", "--lane", "gift", "--ttl", "2s", "--id", "x", "m"}, `/v1/push  {"id":"x","mids":[7],"op":1000,"body":"m","lane":"gift","ttl_ms":2000}`, "stored 01J\nabsent key k2\nabsent mid 8\n"},
		{"", []string{"--all", "--speed", "9", "--api-key-file", keys, "m"}, `/v1/push Bearer s3cret {"all":true,"op":1000,"body":"m","speed":9}`, "stored 01J\nabsent key k2\nabsent mid 8\n"},
		{"", []string{"--goim", "--room", "live://1", "m"}, `/goim/push/room?operation=1000&room=1&type=live  m`, ""},
	}
	for _, tt := range tests {
		var out strings.Builder
		err := run(context.Background(), tt.in, &out, append([]string{"send", "--api", api.URL}, tt.args...)...)
		if err != nil {
			t.Errorf("%v: %v", tt.args, err)
			continue
		}
		if got := <-requests; got != tt.want || out.String() != tt.out {
			t.Errorf("%v:\n got %s\nwant %s\nprinted %q", tt.args, got, tt.want, out.String())
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWrongUse(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"join"}, {"join", "nowhere"}, {"join", "live://1", "--count", "-1"}, {"join", "live://1", "--addr", "udp://x"},
		{"send", "m"}, {"send", "--room", "nowhere", "m"}, {"send", "--all", "--key", "a", "m"}, {"send", "--all", "--op", "9", "m"},
		{"send", "--all", "--lane", "fast", "m"}, {"send", "--all", "--api-key-file", empty, "m"}, {"send", "--all", "--api-key-file", empty + "x", "m"},
		{"send", "--goim", "--all", "--lane", "gift", "m"}, {"say"},
	} {
		if err := run(context.Background(), "", io.Discard, args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(504) }))
	defer api.Close()
	err := run(context.Background(), "", io.Discard, "send", "--api", api.URL, "--all", "m")
	if !errors.Is(err, push.ErrUnknown) || !strings.Contains(err.Error(), "--id") {
		t.Errorf("unknown: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}
