package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// measureSmall runs a scenario, one round an engine and point, and returns the
// results and how the run ended.
func measureSmall(t *testing.T, s suite.Scenario, engines ...string) (*report.Run, error) {
	t.Helper()
	f := suite.Flags{Engines: engines, Repeat: 1, JSON: t.TempDir() + "/run.json"}
	var out, watch bytes.Buffer
	err := f.Measure(t.Context(), &out, &watch, s)
	run, e := report.ReadFile(f.JSON)
	if e != nil {
		t.Fatal(e)
	}
	t.Logf("%s", watch.String())
	return run, err
}

// wants checks that every case has one sample of each metric, in its range.
func wants(t *testing.T, run *report.Run, cases int, ranges map[string][2]float64) {
	t.Helper()
	if len(run.Cases) != cases {
		t.Errorf("%d cases, want %d", len(run.Cases), cases)
	}
	for _, c := range run.Cases {
		for name, r := range ranges {
			m := c.Metric(name)
			if m == nil || len(m.Samples) != 1 {
				t.Errorf("%s: %s has %+v", c.Title(), name, m)
				continue
			}
			if slices.Min(m.Samples) < r[0] || slices.Max(m.Samples) > r[1] {
				t.Errorf("%s: %s is %v, expected within %v", c.Title(), name, m.Samples, r)
			}
		}
	}
}

var smallFanout = Fanout{
	Members: []int{50}, Rooms: 3, Rate: []float64{100, 0}, Size: []int{100}, Batch: []int{2},
	Transport: "both", Duration: 200 * time.Millisecond, Grace: 20 * time.Second,
}

func TestFanout(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, smallFanout, "epoll", "std")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 4, map[string][2]float64{
		"CPU a write": {.1, 1000}, report.FloorOf("CPU a write"): {.1, 1000}, "CPU a message": {.05, 1000},
		"writes": {1, 1e7}, "messages": {1, 1e7}, "bytes": {100, 1e9}, "delivered": {100, 100},
		"latency p50": {1, 1e7}, "latency max": {1, 1e7}, "server CPU": {0, 100}, "swarm CPU": {0, 100}, "other CPU": {0, 100}, "batch late": {0, 1e4},
	})
	for _, c := range run.Cases {
		messages, writes := c.Metric("messages").Samples[0], c.Metric("writes").Samples[0]
		if writes > messages*1.001 {
			t.Errorf("%s: %v writes/s for %v messages/s", c.Title(), writes, messages)
		}
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Idle{Links: []int{50}, Rooms: 1, Transport: "both", Logic: "none", Quiet: 50 * time.Millisecond}, "epoll", "std")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 2, map[string][2]float64{
		"RSS a link": {-1e6, 1e6}, "heap a link": {-1e5, 1e6}, "kernel slab a link, both ends": {-1e8, 1e8},
		"CPU while idle": {0, 2000}, "goroutines": {5, 200}, "swarm RSS a link": {-1e6, 1e6},
	})
	epoll, std := run.Cases[0].Metric("goroutines").Samples[0], run.Cases[1].Metric("goroutines").Samples[0]
	if std < epoll+45 {
		t.Errorf("std has %v goroutines for 50 links, epoll %v", std, epoll)
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Accept{Links: []int{60}, UnderWay: []int{8}, Transport: "tcp", Logic: "memory"}, "epoll", "std")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 2, map[string][2]float64{
		"links": {1, 1e6}, "CPU a link": {1, 1e5}, report.FloorOf("CPU a link"): {1, 1e5}, "CPU a close": {1, 1e5}, "join p50": {1, 1e7}, "retries": {0, 60},
	})
}

// lossy makes the server lose something in each round.
type lossy struct {
	suite.Point
	lose func(ctx context.Context, g *rig) error
}

func (l lossy) Name() string          { return "lossy" }
func (l lossy) About() string         { return "loses something" }
func (l lossy) Points() []suite.Point { return []suite.Point{l} }

func (l lossy) Settings() []report.Setting { return nil }

func (l lossy) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r)
	if err != nil {
		return err
	}
	g.grace = 200 * time.Millisecond
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at("tcp"), Links: 50, Rooms: 1}); err != nil {
		return err
	}
	return l.lose(ctx, g)
}

// A run in which something was lost fails and says what.
func TestLossFailsTheRun(t *testing.T) {
	t.Parallel()
	fine := server.PushArgs{Rooms: 1, Rate: 100, Count: 5}
	for name, tt := range map[string]struct {
		engine string
		lose   func(ctx context.Context, g *rig) error
		want   []string
	}{
		"shed": {"epoll", func(ctx context.Context, g *rig) error {
			// 2 MiB at once, twice of what may wait in a room.
			_, err := g.deliver(ctx, server.PushArgs{Rooms: 1, Rate: 1000, Batch: 64, Size: 32 << 10, Count: 64})
			return err
		}, []string{"of 3200 messages delivered", "the comet's ledger says", "shed, expected 0", "passed over"}},
		"a link is gone": {"std", func(ctx context.Context, g *rig) error {
			if err := g.swarm.Churn(ctx, swarm.ChurnArgs{Rate: 1000}); err != nil {
				return err
			}
			_, err := g.deliver(ctx, fine)
			return err
		}, []string{"of 250 messages delivered"}},
		"killed": {"epoll", func(ctx context.Context, g *rig) error {
			if err := syscall.Kill(g.server.Pid(), syscall.SIGKILL); err != nil {
				return err
			}
			_, err := g.deliver(ctx, fine)
			return err
		}, []string{"not measured: server: has ended: signal: killed"}},
		"killed at the end": {"std", func(ctx context.Context, g *rig) error {
			if _, err := g.deliver(ctx, fine); err != nil {
				return err
			}
			return syscall.Kill(g.server.Pid(), syscall.SIGKILL)
		}, []string{"at the end of the round: server: signal: killed"}},
		"more is expected": {"epoll", func(ctx context.Context, g *rig) error {
			g.links++
			_, err := g.deliver(ctx, fine)
			return err
		}, []string{"250 of 255 messages delivered", "routed to 250 links × messages, expected 255"}},
		"floor falls short": {"std", func(ctx context.Context, g *rig) error {
			g.links++
			_, err := g.bare(ctx, fine)
			return err
		}, []string{"floor: 50 sockets of 51 links"}},
	} {
		t.Run(name, func(t *testing.T) {
			run, err := measureSmall(t, lossy{lose: tt.lose}, tt.engine)
			if !errors.Is(err, report.ErrFaults) {
				t.Fatalf("the run ended with %v", err)
			}
			for _, c := range run.Cases {
				all := strings.Join(c.Faults, "\n")
				for _, want := range tt.want {
					if !strings.Contains(all, want) {
						t.Errorf("%s: no %q in:\n%s", c.Title(), want, all)
					}
				}
			}
		})
	}
}

func TestPoints(t *testing.T) {
	f := smallFanout
	f.Members, f.Size, f.Batch, f.Rate, f.Writes = []int{10, 3000}, []int{24, 64}, []int{1, 5}, nil, 10000
	points := f.Points()
	if len(points) != 8 {
		t.Fatalf("%d points", len(points))
	}
	if s := fmt.Sprint(points[7].Settings()); s != "[members 3000 rate 3.3 size 64 batch 5 rooms 3 transport both]" {
		t.Errorf("the last is %s", s)
	}
	if s := fmt.Sprint(points[0].Settings()[:2]); s != "[members 10 rate 1000]" {
		t.Errorf("the first is %s", s)
	}
	f.Rate = []float64{0, 7}
	if s := fmt.Sprint(f.Points()[0].Settings()[:2]); s != "[members 10 rate max]" {
		t.Errorf("closed loop is %s", s)
	}
}

func TestValidate(t *testing.T) {
	for want, v := range map[string]interface{ Validate() error }{
		"less than one":    Fanout{Members: []int{0}, Rooms: 1, Writes: 1, Duration: 1, Grace: 1},
		"-1 is negative":   Fanout{Rate: []float64{-1}, Rooms: 1, Writes: 1, Duration: 1, Grace: 1},
		"must be positive": Fanout{Rooms: 1, Writes: 1, Grace: 1},
		"--links 0":        Idle{Links: []int{0}},
		"--quiet 0s":       Idle{},
		"0 of something":   Accept{UnderWay: []int{0}},
	} {
		if err := v.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", v, err, want)
		}
	}
	for profile, scenarios := range profiles {
		for _, s := range scenarios {
			if v, ok := s.(interface{ Validate() error }); ok {
				if f, ok := s.(Fanout); ok && f.Grace == 0 {
					t.Errorf("%s: %s has no grace", profile, s.Name())
				}
				if err := v.Validate(); err != nil {
					t.Errorf("%s: %s: %v", profile, s.Name(), err)
				}
			}
			if len(s.Points()) == 0 || s.About() == "" {
				t.Errorf("%s: %s has no points or no text", profile, s.Name())
			}
		}
	}
}
