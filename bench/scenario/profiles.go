package scenario

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/oortim/oort/bench/suite"
)

// profiles are the sizes at which `oort bench suite` runs each scenario.
var profiles = map[string][]suite.Scenario{
	"small": { // shows in minutes that everything works; its figures are noise
		Accept{Links: []int{500}, UnderWay: []int{64}, Transport: "both", Logic: "memory"},
		Idle{Links: []int{500}, Rooms: 1, Transport: "both", Logic: "none", Quiet: time.Second},
		Echo{Links: []int{50}, Depth: 1, Size: []int{64}, Transport: "both", Duration: time.Second},
		Fanout{Members: []int{500}, Rooms: 1, Writes: 10000, Size: []int{64}, Batch: []int{1}, Transport: "both", Duration: time.Second, Grace: grace},
		Rates{Members: []int{500}, Rate: []float64{20, 2000}, Lossless: 20, Size: 64, Latency: 250 * time.Millisecond, Transport: "both", Duration: time.Second},
		Size{Members: []int{100, 1000}, Rooms: []int{1, 100}, Size: 64, Passes: 10, Transport: "both"},
		Heartbeat{Links: []int{500}, Rate: []float64{1000}, Transport: "both", Duration: time.Second},
		Churn{Links: []int{500}, Rate: []float64{100}, Messages: 5, Rooms: 5, Transport: "both", Duration: time.Second},
		Slow{Links: []int{50}, Share: []float64{.2}, Rate: 50, Size: 16384, Transport: "both", Duration: time.Second},
		Mixed{Links: []int{500}, Rooms: 5, Messages: 5, Size: 256, Beats: 200, Rate: 20, Share: .05, Transport: "both", Duration: time.Second},
	},
	"default": { // fits beside its load on a small machine
		Accept{Links: []int{10000}, UnderWay: []int{512}, Transport: "tcp", Logic: "memory"},
		Idle{Links: []int{15000}, Rooms: 1, Transport: "tcp", Logic: "none", Quiet: 3 * time.Second},
		Echo{Links: []int{1, 100, 10000}, Depth: 1, Size: []int{64}, Transport: "tcp", Duration: 5 * time.Second},
		Echo{Links: []int{1000}, Rate: []float64{10000}, Depth: 1, Size: []int{64}, Transport: "tcp", Duration: 5 * time.Second},
		Fanout{Members: []int{1000, 5000, 15000}, Rooms: 1, Writes: 30000, Size: []int{64}, Batch: []int{1}, Transport: "tcp", Duration: 5 * time.Second, Grace: grace},
		Fanout{Members: []int{15000}, Rooms: 1, Rate: []float64{0}, Writes: 1, Size: []int{64}, Batch: []int{1, 10}, Transport: "tcp", Duration: 5 * time.Second, Grace: grace},
		Rates{Members: []int{15000}, Rate: []float64{1, 5, 20, 40, 160, 640}, Lossless: 40, Size: 64, Latency: 250 * time.Millisecond, Transport: "tcp", Duration: 5 * time.Second},
		Size{Members: []int{1000, 15000}, Rooms: []int{1, 1000}, Size: 64, Transport: "tcp"},
		Heartbeat{Links: []int{15000}, Rate: []float64{5000, 20000}, Transport: "tcp", Duration: 5 * time.Second},
		Churn{Links: []int{5000}, Rate: []float64{500}, Messages: 2, Rooms: 10, Transport: "tcp", Duration: 5 * time.Second},
		Slow{Links: []int{150}, Share: []float64{.33}, Rate: 50, Size: 20480, Transport: "tcp", Duration: 8 * time.Second, Write: 5 * time.Second},
		Mixed{Links: []int{10000}, Rooms: 20, Messages: 2, Size: 256, Beats: 500, Rate: 100, Share: .01, Transport: "both", Duration: 10 * time.Second},
	},
	"full": { // sweeps; hours
		Accept{Links: []int{15000}, UnderWay: []int{16, 128, 1024}, Transport: "tcp", Logic: "memory"},
		Accept{Links: []int{15000}, UnderWay: []int{512}, Transport: "ws", Logic: "memory"},
		Idle{Links: []int{1000, 5000, 15000}, Rooms: 1, Transport: "tcp", Logic: "none", Quiet: 5 * time.Second},
		Idle{Links: []int{15000}, Rooms: 1, Transport: "ws", Logic: "none", Quiet: 5 * time.Second},
		Echo{Links: []int{1, 10, 100, 1000, 15000}, Depth: 1, Size: []int{64, 1024, 60000}, Transport: "tcp", Duration: 10 * time.Second},
		Echo{Links: []int{1, 100, 15000}, Depth: 1, Size: []int{64, 1024}, Transport: "ws", Duration: 10 * time.Second},
		Echo{Links: []int{100}, Depth: 16, Size: []int{64}, Transport: "tcp", Duration: 10 * time.Second},
		Echo{Links: []int{1000}, Rate: []float64{5000, 10000, 20000}, Depth: 1, Size: []int{64}, Transport: "tcp", Duration: 10 * time.Second},
		Fanout{Members: []int{100, 1000, 5000, 15000}, Rooms: 1, Writes: 30000, Size: []int{64, 1024}, Batch: []int{1, 10}, Transport: "tcp", Duration: 10 * time.Second, Grace: grace},
		Fanout{Members: []int{15000}, Rooms: 1, Writes: 30000, Size: []int{64}, Batch: []int{1, 10}, Transport: "ws", Duration: 10 * time.Second, Grace: grace},
		Fanout{Members: []int{15000}, Rooms: 300, Writes: 30000, Size: []int{64}, Batch: []int{1}, Transport: "tcp", Duration: 10 * time.Second, Grace: grace},
		Fanout{Members: []int{1000, 15000}, Rooms: 1, Rate: []float64{0}, Writes: 1, Size: []int{64}, Batch: []int{1, 10}, Transport: "tcp", Duration: 10 * time.Second, Grace: grace},
		Rates{Members: []int{15000}, Rate: []float64{1, 2, 5, 10, 20, 40, 80, 160, 320, 640}, Lossless: 40, Size: 64, Latency: 250 * time.Millisecond, Transport: "tcp", Duration: 10 * time.Second},
		Size{Members: []int{1000, 10000, 100000}, Rooms: []int{1}, Size: 64, Transport: "tcp"},
		Size{Members: []int{100000}, Rooms: []int{1000, 100000}, Size: 64, Transport: "tcp"},
		Heartbeat{Links: []int{1000, 15000}, Rate: []float64{1000, 5000, 20000, 50000}, Transport: "tcp", Duration: 10 * time.Second},
		Heartbeat{Links: []int{15000}, Rate: []float64{5000}, Transport: "ws", Duration: 10 * time.Second},
		Churn{Links: []int{1000, 10000}, Rate: []float64{100, 500, 1000}, Messages: 2, Rooms: 10, Transport: "tcp", Duration: 10 * time.Second},
		Churn{Links: []int{10000}, Rate: []float64{500}, Messages: 2, Rooms: 10, Reset: true, Transport: "both", Duration: 10 * time.Second},
		Slow{Links: []int{150}, Share: []float64{.05, .33, .75}, Rate: 50, Size: 20480, Transport: "tcp", Duration: 10 * time.Second},
		Mixed{Links: []int{1000, 15000}, Rooms: 20, Messages: 2, Size: 256, Beats: 500, Rate: 100, Share: .01, Transport: "both", Duration: 20 * time.Second},
	},
}

// Suite is `oort bench suite`: all scenarios at the sizes of a profile.
type Suite struct {
	Profile     string `enum:"small,default,full" default:"default" help:"${enum}: small shows in minutes that everything works, full takes hours."`
	suite.Flags `group:"Run"`
}

// Examples are shown by --help.
func (*Suite) Examples() string {
	return `
oort bench suite --profile small
oort bench suite --repeat 7 --json results.json --html results.html
oort bench suite --engines epoll,epoll+private,std --profile full`
}

// Run measures all scenarios.
func (s *Suite) Run(ctx context.Context, out io.Writer) error {
	return s.Measure(ctx, out, os.Stderr, profiles[s.Profile]...)
}
