package scenario

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/suite"
)

func TestRates(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Rates{
		Members: []int{50}, Rate: []float64{100, 2000}, Lossless: 100, Size: 40, Latency: 20 * time.Second, Transport: "both", Duration: 300 * time.Millisecond,
	}, "epoll")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 2, map[string][2]float64{
		"delivered": {100, 1e7}, "messages a write": {.99, 1000}, "CPU a message": {.01, 1000}, report.FloorOf("CPU a message"): {.1, 1000},
		"latency p99": {1, 2e7}, "dropped of system": {0, 0}, "dropped of ambient": {0, 100}, "delivered at most, one send a message": {10, 1e8},
	})
}

// TestRatesOrder: a run in which a higher lane lost more than a lower one, or
// anything at a rate that must not, is not correct.
func TestRatesOrder(t *testing.T) {
	p := rates{Rates: Rates{Lossless: 40}, members: 10, rate: 50}
	for name, tt := range map[string]struct {
		rate    float64
		dropped [4]uint64 // by lane, of 10, 10, 40 and 40 × 10 links
		want    string
	}{
		"nothing":         {40, [4]uint64{}, ""},
		"ambient first":   {50, [4]uint64{0, 10, 200, 400}, ""},
		"chat first":      {50, [4]uint64{0, 0, 200, 100}, "of lane chat were dropped"},
		"system":          {50, [4]uint64{1, 0, 0, 0}, "of lane system were dropped"},
		"when it may not": {40, [4]uint64{0, 0, 0, 4}, "4 of 1000 messages × links were dropped"},
	} {
		p.rate = tt.rate
		var m merged
		m.pushed.Messages, m.pushed.Concerns, m.dropped = 100, 1000, tt.dropped
		m.got.Messages = 1000 - int64(m.dropped.Total())
		m.ended = map[string]uint64{"delivered": uint64(m.got.Messages), "shed": m.dropped.Total()}
		c := new(report.Case)
		p.check(rigOf(c), m)
		if got := strings.Join(c.Faults, "\n"); (got != "") != (tt.want != "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Size{Members: []int{40, 3000}, Rooms: []int{1, 20, 100}, Size: 40, Passes: 3, Transport: "both"}, "epoll+private")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 5, map[string][2]float64{ // 100 rooms are too many for 40 links
		"CPU a message to all": {.01, 1e5}, "CPU a link": {.1, 1e4}, report.FloorOf("CPU a link"): {.1, 1e4},
		"latency max": {1, 2e7}, "writes a link": {1, 1}, "loops": {1, 100},
	})
}

func TestSlowIsDropped(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Slow{
		Links: []int{6}, Share: []float64{.34}, Rate: 40, Size: 60_000, Transport: "both", Duration: 300 * time.Millisecond, Write: 500 * time.Millisecond,
	}, "epoll")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, run, 1, map[string][2]float64{
		"until the last was dropped": {.5, 60}, "server RSS gained, at most": {-1e8, 1e9}, "routed to who was being dropped": {-6, 6},
	})
	for _, name := range []string{"server RSS gained", "server RSS gained, with the write timeout"} {
		if line := run.Cases[0].Timeline(name); line == nil || len(line.Values) < 2 || len(line.Values) != len(line.Seconds) {
			t.Errorf("%s in time: %+v", name, line)
		}
	}
}

func TestValidateLimits(t *testing.T) {
	soak := Soak{Duration: 6 * time.Minute, Every: time.Minute, Links: 1, Rooms: 1, Messages: 1, Walkers: 1, Walks: 1, Write: time.Second}
	if err := soak.Validate(); err != nil {
		t.Error(err)
	}
	short, roomless, slow := soak, soak, soak
	short.Duration, roomless.Rooms, slow.Walks = 5*time.Minute, 0, 0
	for want, v := range map[string]interface{ Validate() error }{
		"--max-latency 0s":    Rates{Size: 1, Duration: 1},
		"a rate of 0":         Rates{Size: 1, Duration: 1, Latency: time.Second, Rate: []float64{0}},
		"0 of something":      Size{Size: 1, Rooms: []int{0}},
		"--passes -1":         Size{Size: 1, Passes: -1},
		"--write-timeout 1ms": Slow{Rate: 1, Size: 1, Duration: 1, Write: time.Millisecond},
		"six reckonings":      short,
		"--rooms 0":           roomless,
		"a rate of 0 must":    slow,
	} {
		if err := v.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", v, err, want)
		}
	}
}

func TestSoak(t *testing.T) {
	t.Parallel()
	run, err := measureSmall(t, Soak{
		Duration: 6 * time.Second, Every: time.Second, Links: 60, Rooms: 4, Messages: 10, Churn: 10, Walkers: 4, Walks: 20,
		Dozers: 2, Mutes: 1, Write: time.Second, Transport: "both",
	}, "epoll")
	if err != nil && !onlyMemory(run) {
		t.Fatal(err)
	}
	wants(t, run, 1, map[string][2]float64{
		"messages × links": {1000, 1e6}, "delivered": {1000, 1e6}, "collapsed": {1, 1e6}, "reconnects": {10, 1000}, "changes of room": {10, 1000},
		"descriptors left by links": {-100, 0}, "goroutines left by links": {-100, 0}, "heap slope": {-1e15, 1e15},
	})
	for _, what := range allVitals {
		if line := run.Cases[0].Timeline(what.name); line == nil || len(line.Values) < leastReckonings {
			t.Errorf("%s in time: %+v", what.name, line)
		}
	}
}

// onlyMemory: in seconds a process has not found its size, so there its memory
// may grow; nothing else may.
func onlyMemory(run *report.Run) bool {
	for _, f := range run.Cases[0].Faults {
		if !strings.HasPrefix(f, "RSS") && !strings.HasPrefix(f, "heap grows") && !strings.HasPrefix(f, "threads grows") {
			return false
		}
	}
	return len(run.Cases[0].Faults) > 0 && errors.Is(run.Err(), report.ErrFaults)
}

// TestSoakFindsLeaks: each of the vitals is watched.
func TestSoakFindsLeaks(t *testing.T) {
	steady := func(i int) vitals {
		return vitals{
			at: time.Duration(i) * time.Minute, standing: 50e6, rss: 40e6, heap: 8e6, goroutines: 25, descriptors: 2000, threads: 10,
		}
	}
	for what, leak := range map[string]func(v *vitals, i int64){
		"":                              func(*vitals, int64) {},
		"RSS grows":                     func(v *vitals, i int64) { v.rss += i * 200_000 },
		"RSS before collection grows":   func(v *vitals, i int64) { v.standing += i * 1_000_000 },
		"heap grows: 8350000 early":     func(v *vitals, i int64) { v.heap += i * 50_000 },
		"descriptors grows: 2001 early": func(v *vitals, i int64) { v.descriptors += int(i / 5) },
		"goroutines grows":              func(v *vitals, i int64) { v.goroutines += int(i / 5) },
		"threads grows":                 func(v *vitals, i int64) { v.threads += int(i / 5) },
	} {
		s := &soaking{rig: rigOf(new(report.Case))}
		for i := range 30 {
			v := steady(i)
			leak(&v, int64(i))
			s.vitals = append(s.vitals, v)
		}
		s.judge()
		if got := strings.Join(s.Case.Faults, "\n"); (got != "") != (what != "") || !strings.HasPrefix(got, what) || len(s.Case.Faults) > 1 {
			t.Errorf("%q: %q", what, got)
		}
	}
}

// rigOf is a rig without processes, for what only judges.
func rigOf(c *report.Case) *rig { return &rig{Round: &suite.Round{Case: c}} }
