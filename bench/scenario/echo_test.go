package scenario

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

var smallEcho = Echo{Links: []int{1, 20}, Depth: 2, Size: []int{64, 3000}, Transport: "tcp", Duration: 100 * time.Millisecond}

func TestEcho(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, smallEcho, "epoll", "std")
	if err != nil {
		t.Fatal(err)
	}
	ranges := map[string][2]float64{
		cpuEcho: {.1, 1e5}, report.FloorOf(cpuEcho): {.1, 1e5}, "echoes": {1, 1e7}, "came back": {100, 100},
		"latency p50": {1, 1e7}, "server CPU": {0, 100}, "swarm CPU": {0, 100},
	}
	wants(t, run, 8, ranges)
}

// An open loop, and WebSocket, where there is no floor.
func TestEchoByRate(t *testing.T) {
	t.Parallel()
	s := smallEcho
	s.Links, s.Size, s.Rate, s.Transport = []int{10}, []int{64}, []float64{500}, "both"
	run, err := measureSmall(t, s, "epoll")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 1, map[string][2]float64{cpuEcho: {.1, 1e5}, "echoes": {10, 501}, "came back": {100, 100}, "held back": {0, 100}})
	if m := run.Cases[0].Metric(report.FloorOf(cpuEcho)); m != nil {
		t.Errorf("a floor of %v", m.Samples)
	}
}

func TestEchoRefuses(t *testing.T) {
	if err := smallEcho.Validate(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Echo){
		"--links":    func(s *Echo) { s.Links = []int{0} },
		"--size":     func(s *Echo) { s.Size = []int{23} },
		"--rate":     func(s *Echo) { s.Rate = []float64{0} },
		"--depth":    func(s *Echo) { s.Depth = 0 },
		"--duration": func(s *Echo) { s.Duration = 0 },
	} {
		s := smallEcho
		spoil(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// The floor comes first in every other round.
func TestEchoFloorFirst(t *testing.T) {
	t.Parallel()
	s := smallEcho
	s.Links, s.Size = []int{5}, []int{64}
	f := suite.Flags{Engines: []string{"epoll"}, Repeat: 2, JSON: t.TempDir() + "/run.json"}
	if err := f.Measure(t.Context(), io.Discard, io.Discard, s); err != nil {
		t.Fatal(err)
	}
	run, err := report.ReadFile(f.JSON)
	if err != nil {
		t.Fatal(err)
	}
	if m := run.Cases[0].Metric(report.FloorOf(cpuEcho)); m == nil || len(m.Samples) != 2 {
		t.Errorf("%+v", m)
	}
}

// What went wrong is said, whatever the figures.
func TestEchoFaults(t *testing.T) {
	fine := swarm.Counts{EchoesSent: 10, Messages: 10, Least: 1}
	for want, spoil := range map[string]func(*swarm.Counts){
		"":                           func(*swarm.Counts) {},
		"9 of 10 messages came back": func(c *swarm.Counts) { c.Messages = 9 },
		"0 of 0 messages came back":  func(c *swarm.Counts) { c.Messages, c.EchoesSent = 0, 0 },
		"1 messages passed over":     func(c *swarm.Counts) { c.Gaps = 1 },
		"1 doubled":                  func(c *swarm.Counts) { c.Doubles = 1 },
		"1 wrong":                    func(c *swarm.Counts) { c.Wrong = 1 },
		"1 of another run":           func(c *swarm.Counts) { c.Stale = 1 },
		"a link got nothing":         func(c *swarm.Counts) { c.Least = 0 },
		"links ended: map[reset:1]":  func(c *swarm.Counts) { c.Lost = map[string]int64{"reset": 1} },
		"not let in: map[refused:1]": func(c *swarm.Counts) { c.Failed = map[string]int64{"refused": 1} },
	} {
		got := fine
		spoil(&got)
		g := &rig{Round: &suite.Round{Case: new(report.Case)}}
		echoes{}.check(g, got)
		if faults := strings.Join(g.Case.Faults, "; "); (faults == "") != (want == "") || !strings.Contains(faults, want) {
			t.Errorf("%q: %q", want, faults)
		}
	}
}
