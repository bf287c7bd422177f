package scenario

import (
	"testing"
	"time"

	"github.com/oortim/oort/bench/report"
)

// TestMillion with sessions in memory; with those in Redis it is a test of
// processes, in deploy/e2e.
func TestMillion(t *testing.T) {
	s := Million{
		Links: 120, Rooms: 2, Sessions: "serve", UnderWay: 16,
		Heartbeat: 20 * time.Second, Hold: time.Second, // silence ends a link after 30 s
		Pushes: 2, Yield: 1,
	}
	run, err := measureSmall(t, s, s.Engines()...)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 1, map[string][2]float64{
		"logins": {1, 1e6}, "tried again": {0, 0}, "login max": {1, 1e7}, "CPU a login, comet": {1, 1e5}, "CPU a login, clients": {1, 1e5},
		"RSS a link": {-1e6, 1e7}, "longest stop at login": {0, 1e7}, "longest stop": {0, 1e7},
		"heartbeats": {1, 100}, "collections while held": {0, 100},
	})
	c := run.Cases[0]
	for _, name := range []string{toAll, report.FloorOf(toAll), cpuToAll, report.FloorOf(cpuToAll)} {
		if m := c.Metric(name); m == nil || len(m.Samples) != 2 {
			t.Errorf("%s: %+v, want two samples", name, m)
		}
	}
	for _, name := range []string{logins, cpuLogin} {
		if m := c.Metric(report.FloorOf(name)); m == nil || len(m.Samples) != 1 || m.Samples[0] <= 0 {
			t.Errorf("floor of %s: %+v, want a sample", name, m)
		}
	}
	if c.Metric("CPU a login, redis") != nil {
		t.Error("there was a Redis")
	}
}
