package directed

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/parts"
)

// A round starts the parts as commands of its own binary. Here that is the test's.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		var grammar struct {
			ops.Globals
			Comet parts.Comet `cmd:""`
			Logic parts.Logic `cmd:""`
			Job   parts.Job   `cmd:""`
			Bench struct {
				Swarm swarm.Command `cmd:""`
			} `cmd:""`
		}
		os.Exit(ops.App{Name: "oort", Grammar: &grammar}.Main(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// A whole cluster: what is pushed arrives, and both ways are measured.
func TestRound(t *testing.T) {
	kfake := filepath.Join(t.TempDir(), "kfake")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", kfake, "github.com/oortim/oort/deploy/kfake")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	c := Command{
		Pushers: []int{4}, Batch: []int{1, 3}, Links: 10, Body: 64, Duration: 300 * time.Millisecond, Kfake: kfake,
		Flags: suite.Flags{Repeat: 1, JSON: filepath.Join(t.TempDir(), "run.json")},
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out strings.Builder
	if err := c.Run(ctx, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	http.DefaultClient.CloseIdleConnections()
	r, err := report.ReadFile(c.JSON)
	if err != nil || len(r.Cases) != 2 {
		t.Fatalf("%d cases, %v", len(r.Cases), err)
	}
	for _, one := range r.Cases {
		for _, name := range []string{"pushes", "CPU a push", "CPU a push, floor", "bare loop", "of it logic", "of it redis", "of it kafka", "of it job", "of it comet", "at the client p99"} {
			if m := one.Metric(name); m == nil || len(m.Samples) != 1 || m.Samples[0] <= 0 {
				t.Errorf("%s: %q is %+v", one.Title(), name, m)
			}
		}
	}
}

// What the pusher sends is what an HTTP server reads, and an answer that says
// that a key was not there is an error.
func TestPusher(t *testing.T) {
	accepted := 1
	var got []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		n := max(1, strings.Count(string(body), "body_base64"))
		fmt.Fprint(w, strings.Repeat(fmt.Sprintf(`{"accepted":%d}`, accepted), n))
	}))
	defer api.Close()
	p := &pusher{run: 7, clock: stamp.NewClock(), size: 64, batch: 1, keys: []key{{name: "a"}, {name: "b"}}, answered: measure.NewLatency()}
	if err := p.open(api.URL); err != nil {
		t.Fatal(err)
	}
	defer p.conn.Close()
	for range 3 {
		if err := p.request(); err != nil {
			t.Fatal(err)
		}
	}
	p.batch = 2
	if err := p.request(); err != nil {
		t.Fatal(err)
	}
	want := [][]stamp.Stamp{{{Run: 7, Seq: 1}}, {{Run: 7, Seq: 1}}, {{Run: 7, Seq: 2}}, {{Run: 7, Seq: 2}, {Run: 7, Seq: 3}}}
	keys := [][]string{{"a"}, {"b"}, {"a"}, {"b", "a"}}
	for i, text := range got {
		body, ok := strings.CutPrefix(text, "POST /v1/push application/json ")
		if !ok {
			t.Fatalf("request %q", text)
		}
		for j, push := range decode(t, body, len(want[i])) {
			s, ok := stamp.Parse(push.Body)
			if !ok || len(push.Body) != 64 || s.Run != 7 || s.Seq != want[i][j].Seq || s.Room != stamp.Everyone || push.Keys[0] != keys[i][j] || push.Op != 1000 {
				t.Errorf("request %d: %+v, stamp %+v, want %+v to %s", i, push, s, want[i][j], keys[i][j])
			}
		}
	}
	accepted = 0
	if err := p.request(); !errors.Is(err, errAnswer) {
		t.Errorf("of an absent key: %v", err)
	}
}

type wirePush struct {
	Op   int
	Keys []string
	Body []byte `json:"body_base64"`
}

func decode(t *testing.T, body string, n int) (pushes []wirePush) {
	t.Helper()
	if n == 1 {
		body = "[" + body + "]"
	}
	if err := json.Unmarshal([]byte(body), &pushes); err != nil || len(pushes) != n {
		t.Fatalf("body %q: %v, %d pushes", body, err, len(pushes))
	}
	return pushes
}

func TestAnswer(t *testing.T) {
	for text, want := range map[string]error{
		"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"accepted\":1}": nil,
		"HTTP/1.1 503 No\r\nContent-Length: 14\r\n\r\n{\"accepted\":1}": errAnswer,
		"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"accepted\":0}": errAnswer,
		"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"accepted\":1}": io.ErrUnexpectedEOF,
		"HTTP/1.1 200 OK\r\n\r\n{\"accepted\":1}":                       errAnswer,
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n":           errAnswer,
		"HTTP/1.1 200 OK\r\n": io.EOF,
		"":                    io.EOF,
	} {
		p := &pusher{batch: 1, in: bufio.NewReaderSize(strings.NewReader(text), answerMost)}
		if err := p.answer(); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Command{Pushers: []int{1, 4}, Batch: []int{1}, Links: 4, Body: stamp.Len, Duration: time.Second, Flags: suite.Flags{Repeat: 1}}
	for _, tc := range []struct {
		change func(*Command)
		ok     bool
	}{
		{func(*Command) {}, true},
		{func(c *Command) { c.Pushers = []int{0} }, false},
		{func(c *Command) { c.Pushers = []int{5} }, false},
		{func(c *Command) { c.Batch = []int{0} }, false},
		{func(c *Command) { c.Batch = []int{batchMost + 1} }, false},
		{func(c *Command) { c.Body = stamp.Len - 1 }, false},
		{func(c *Command) { c.Duration = 0 }, false},
		{func(c *Command) { c.Repeat = 0 }, false},
	} {
		c := good
		tc.change(&c)
		if err := c.Validate(); (err == nil) != tc.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
