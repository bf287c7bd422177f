package push_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/push"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/target"
	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/parts"
)

// A scenario starts its server as `serve` of its own binary. Here that is the
// test's.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		var grammar struct {
			ops.Globals
			Serve parts.Serve `cmd:""`
		}
		os.Exit(ops.App{Name: "oort", Grammar: &grammar, Fallback: "serve"}.Main(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

func run(t *testing.T, c push.Command) *report.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if c.Transport == "" {
		c.Transport = "both"
	}
	c.JSON = true
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := c.Run(ctx, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	r, err := report.Read(strings.NewReader(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func figure(t *testing.T, r *report.Run, name string) float64 {
	t.Helper()
	m := r.Cases[0].Metric(name)
	if m == nil || len(m.Samples) != 1 {
		t.Errorf("metric %q is %+v", name, m)
		return 0
	}
	return m.Samples[0]
}

func TestLone(t *testing.T) {
	r := run(t, push.Command{Links: 5, Rooms: 2, Body: 64, Messages: 20, Pushers: 1, Batch: 1, Grace: 20 * time.Second})
	// Ten messages to the room of three links, ten to that of two.
	if figure(t, r, "expected") != 50 || figure(t, r, "delivered") != 50 {
		t.Errorf("figures %+v", r.Cases[0].Metrics)
	}
	for _, name := range []string{"API to TCP socket", "API to WebSocket", "API's answer"} {
		if p50 := figure(t, r, name+" p50"); p50 <= 0 || figure(t, r, name+" max") < p50 {
			t.Errorf("%s: p50 %v µs of %+v", name, p50, r.Cases[0].Metrics)
		}
	}
}

func TestThroughput(t *testing.T) {
	for _, c := range []push.Command{
		{Links: 20, Rooms: 4, Body: 100, Messages: 1, Rate: 200, Duration: time.Second, Pushers: 2, Batch: 5, Grace: 20 * time.Second},
		{Links: 3, Rooms: 1, Body: 64, Messages: 1, Rate: 50, Duration: time.Second / 2, Pushers: 4, Batch: 1, Grace: 20 * time.Second, Goim: true,
			Flags: target.Flags{Transport: "ws", Serve: []string{"--engine=std"}}},
	} {
		r := run(t, c)
		members := float64(c.Links) / float64(c.Rooms)
		stored := figure(t, r, "stored")
		if stored == 0 || stored > c.Rate*c.Duration.Seconds()+float64(c.Batch*c.Pushers) ||
			figure(t, r, "expected") != stored*members || figure(t, r, "delivered") != stored*members ||
			figure(t, r, "bytes") < figure(t, r, "deliveries")*float64(c.Body) || figure(t, r, "writes") <= 0 {
			t.Errorf("figures %+v", r.Cases[0].Metrics)
		}
	}
}

// What a server loses must fail the run. The address of the links is one of
// another server than the API's.
func TestLossIsAFault(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var servers [2]*target.Target
	for i := range servers {
		f := target.Flags{Transport: "tcp"}
		s, err := f.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		servers[i] = s
	}
	c := push.Command{Links: 2, Rooms: 1, Body: 64, Messages: 5, Pushers: 1, Batch: 1, Grace: 100 * time.Millisecond,
		Flags: target.Flags{API: servers[0].API.API, Addr: servers[1].Addrs}}
	var out strings.Builder
	if err := c.Run(ctx, &out); err == nil {
		t.Errorf("no error:\n%s", out.String())
	}
}

func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	for name, f := range map[string]target.Flags{
		"nobody listens": {API: "http://" + addr, Addr: []string{"tcp://" + addr}},
		"wrong flag":     {Transport: "both", Serve: []string{"--no-such-flag"}},
	} {
		c := push.Command{Flags: f, Links: 100, Rooms: 1, Body: 64, Messages: 1, Pushers: 1, Batch: 1}
		err := c.Run(context.Background(), new(strings.Builder))
		if err == nil || errors.Is(err, report.ErrFaults) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "wrong flag" && !strings.Contains(err.Error(), "no-such-flag") {
			t.Errorf("does not say what the server said: %v", err)
		}
	}
}
