package push_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/push"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/suite"
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

// run has c measured and returns what it wrote.
func run(t *testing.T, c push.Command) *report.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if c.Server.Transport == "" {
		c.Server.Transport = "both"
	}
	c.Suite.JSON = filepath.Join(t.TempDir(), "run.json")
	c.Suite.Repeat = max(c.Suite.Repeat, 1)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := c.Run(ctx, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	r, err := report.ReadFile(c.Suite.JSON)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func figure(t *testing.T, c *report.Case, name string) float64 {
	t.Helper()
	m := c.Metric(name)
	if m == nil || len(m.Samples) == 0 {
		t.Errorf("%s: no %q", c.Title(), name)
		return 0
	}
	return m.Samples[0]
}

func TestAlone(t *testing.T) {
	r := run(t, push.Command{
		Scenario: push.Scenario{Links: []int{5}, Rooms: 2, Body: []int{64}, Messages: 20, Pushers: 1, Batch: 1, Grace: 20 * time.Second},
		Suite:    suite.Flags{Engines: []string{"epoll", "std"}},
	})
	if len(r.Cases) != 2 {
		t.Fatalf("%d cases", len(r.Cases))
	}
	for _, c := range r.Cases {
		if figure(t, c, "delivered") != 100 || figure(t, c, "CPU a message") <= 0 || len(c.Metric("delivered").Samples) != 1 {
			t.Errorf("%s: %+v", c.Title(), c.Metrics)
		}
		for _, name := range []string{"to TCP", "to WebSocket", "API's answer"} {
			if p50 := figure(t, c, name+" p50"); p50 <= 0 || figure(t, c, name+" max") < p50 {
				t.Errorf("%s: %s: p50 %v µs", c.Title(), name, p50)
			}
		}
	}
}

func TestRate(t *testing.T) {
	for _, c := range []push.Command{
		{
			Scenario: push.Scenario{Links: []int{20}, Rooms: 4, Body: []int{100}, Messages: 1, Rate: []float64{200}, Duration: time.Second / 2, Pushers: 2, Batch: 5, Grace: 20 * time.Second},
			Suite:    suite.Flags{Engines: []string{"epoll"}, Loops: 1},
		},
		{
			Scenario: push.Scenario{Links: []int{3}, Rooms: 1, Body: []int{64}, Messages: 1, Rate: []float64{50}, Duration: time.Second / 2, Pushers: 4, Batch: 1, Grace: 20 * time.Second, Goim: true},
			Suite:    suite.Flags{Engines: []string{"std"}},
			Server:   target.Flags{Transport: "ws", Serve: []string{"--sync-writes"}},
		},
	} {
		r := run(t, c)
		if len(r.Cases) != len(c.Rate) {
			t.Errorf("%d cases of %v", len(r.Cases), c.Rate)
		}
		for _, k := range r.Cases {
			members := float64(c.Links[0]) / float64(c.Rooms)
			deliveries := figure(t, k, "deliveries")
			if messages := figure(t, k, "messages"); messages <= 0 || deliveries < messages*members*.999 || deliveries > messages*members*1.001 ||
				figure(t, k, "bytes") < deliveries*float64(c.Body[0]) || figure(t, k, "writes") <= 0 || figure(t, k, "delivered") != 100 ||
				figure(t, k, "refused")+figure(t, k, "unknown") != 0 {
				t.Errorf("%s:", k.Title())
				for _, m := range k.Metrics {
					t.Errorf("\t%s %v %s", m.Name, m.Samples, m.Unit)
				}
			}
		}
	}
}

// TestRunningServer pushes to servers that the bench has not started: to one,
// and then to the API of one with the links of another. What does not arrive
// must fail the run.
func TestRunningServer(t *testing.T) {
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
	c := push.Command{
		Scenario: push.Scenario{Links: []int{2}, Rooms: 1, Body: []int{64}, Messages: 5, Pushers: 1, Batch: 1, Grace: 20 * time.Second},
		Suite:    suite.Flags{Repeat: 2},
		Server:   target.Flags{API: servers[0].API.API, Addr: servers[0].Addrs, Admin: servers[0].Admin},
	}
	k := run(t, c).Cases[0]
	if k.Engine != "running" || figure(t, k, "delivered") != 100 || len(k.Metric("delivered").Samples) != 2 || k.Metric("CPU a message") != nil {
		t.Errorf("%+v", k)
	}

	c.Server.Addr, c.Grace = servers[1].Addrs, 100*time.Millisecond
	var out strings.Builder
	if err := c.Run(ctx, &out); !errors.Is(err, report.ErrFaults) || !strings.Contains(out.String(), "FAULT: push alone running") {
		t.Errorf("%v:\n%s", err, out.String())
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
		"connection refused": {API: "http://" + addr, Addr: []string{"tcp://" + addr}},
		"no-such-flag":       {Transport: "both", Serve: []string{"--no-such-flag"}},
	} {
		c := push.Command{
			Scenario: push.Scenario{Links: []int{100}, Rooms: 1, Body: []int{64}, Messages: 1, Pushers: 1, Batch: 1},
			Suite:    suite.Flags{Engines: []string{"std"}, Repeat: 1}, Server: f,
		}
		err := c.Run(context.Background(), new(strings.Builder))
		if !errors.Is(err, report.ErrFaults) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
