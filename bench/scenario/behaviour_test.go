package scenario

import (
	"strings"
	"testing"
	"time"
)

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Heartbeat{Links: []int{50}, Rate: []float64{500}, Transport: "both", Duration: 300 * time.Millisecond}, "epoll", "std")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 2, map[string][2]float64{
		"CPU a beat": {1, 5000}, "beats": {50, 550}, "reply p50": {1, 1e7}, "held back": {0, 150}, "server CPU": {0, 10}, "swarm CPU": {0, 10},
	})
}

func TestChurn(t *testing.T) {
	t.Parallel()
	for engine, reset := range map[string]bool{"epoll": false, "std": true} {
		run, err := measureSmall(t, Churn{
			Links: []int{60}, Rate: []float64{100}, Messages: 20, Rooms: 3, Reset: reset, Transport: "both", Duration: 300 * time.Millisecond,
		}, engine)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, run, 1, map[string][2]float64{
			"CPU a reconnect": {-1e5, 1e5}, "reconnects": {10, 200}, "back p50": {1, 1e7}, "message latency p50": {1, 1e7},
			"message latency without churn p50": {1, 1e7}, "lost to closing": {-1, 50},
		})
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Slow{
		Links: []int{20}, Share: []float64{.25}, Rate: 60, Size: 20_000, Transport: "both", Duration: 500 * time.Millisecond,
	}, "epoll", "std")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 2, map[string][2]float64{
		"p99 of the others, to that with all reading": {.001, 1000}, "latency of the others p99": {1, 1e7}, "latency with all reading p99": {1, 1e7},
		"server RSS a stalled link": {-1e8, 1e8}, "CPU a message": {.1, 1e4}, "dropped as slow": {0, 5 * 30},
	})
}

func TestMixed(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Mixed{
		Links: []int{60}, Rooms: 3, Messages: 50, Size: 100, Beats: 100, Rate: 50, Share: .1, Transport: "both", Duration: 500 * time.Millisecond,
	}, "epoll", "std")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 2, map[string][2]float64{
		"server CPU": {.001, 10}, "message latency p50": {1, 1e7}, "heartbeat reply p50": {1, 1e7}, "back p50": {1, 1e7},
		"messages": {500, 5000}, "beats": {20, 120}, "reconnects": {10, 60}, "server RSS": {1e6, 1e10},
	})
}

func TestValidateBehaviours(t *testing.T) {
	for want, v := range map[string]interface{ Validate() error }{
		"--links 0":             Heartbeat{Links: []int{0}, Duration: 1},
		"a rate of 0":           Heartbeat{Rate: []float64{0}, Duration: 1},
		"--duration 0s":         Heartbeat{},
		"a rate of -1":          Churn{Rooms: 1, Messages: 1, Rate: []float64{-1}, Duration: 1},
		"--rooms 0":             Churn{Messages: 1, Duration: 1},
		"--share 1":             Slow{Share: []float64{1}, Rate: 1, Size: 1, Duration: 1},
		"--rate 0, --size 1":    Slow{Size: 1, Duration: 1},
		"--share 1 from":        Mixed{Rooms: 1, Share: 1},
		"--duration 0s must be": Slow{Rate: 1, Size: 1},
	} {
		if err := v.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", v, err, want)
		}
	}
}
