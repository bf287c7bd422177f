package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/bench/report"
)

var smallEcho = Echo{Links: []int{1, 20}, Depth: 2, Size: []int{64, 3000}, Transport: "tcp", Duration: 100 * time.Millisecond}

func TestEcho(t *testing.T) {
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
