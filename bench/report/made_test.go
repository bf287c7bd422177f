package report

import (
	"math"
	"time"

	"github.com/oortim/oort/bench/measure"
)

// cost of a write on a made engine, in µs, and how much it varies.
type cost struct {
	engine string
	µs     float64
	noise  float64
}

var costs = []cost{
	{"epoll", 5.9, .03}, {"uring", 4.8, .03}, {"std", 9.4, .06}, {"gnet", 6.6, .05}, {"netpoll", 6.7, .05},
	{"epoll,edge=true,private-fds=true", 5.7, .04}, {"a-name,that=no-column,was=made-for,and=more", 14, .1},
}

// made is a run as scenarios make it: so many engines and repetitions.
func made(engines, repeat int, points ...int) *Run {
	r := New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	r.Took = 93 * time.Second
	r.Environment = Environment{
		OS: "linux/amd64", Kernel: "6.18.2", CPU: "Made CPU 3.0 GHz", CPUs: 2, Go: "go1.26", GOMAXPROCS: 2, GOGC: "100", GOMEMLIMIT: "off",
		Load: "0.02 0.10 0.20", Commit: "0123456789ab", Args: []string{"bench", "io", "fanout", "--members", "1000,15000"},
		Sysctls: []Setting{{"net.core.somaxconn", "4096"}, {"net.ipv4.tcp_rmem", "4096 131072 6291456"}},
	}
	r.Set("repeat", repeat)
	r.Describe(Scenario{"fanout", "Everybody is in one room, and each push goes to all.", "oort bench io fanout --members 1000,15000"})
	for i := range repeat {
		for _, members := range points {
			for k, c := range costs[:engines] {
				r.fanout(c, members, wobble(i*7+k*3+members))
			}
		}
	}
	return r
}

// wobble is between -1 and 1, and looks like noise.
func wobble(n int) float64 { return math.Sin(float64(n*n)*12.9898 + 78.233) }

func (r *Run) fanout(c cost, members int, wobble float64) {
	k := r.Case("fanout", c.engine, Is("members", members), Is("size", 64))
	floor := 4.9 + .1*wobble
	k.Add("CPU a write", "µs", Lower, c.µs*(1+c.noise*wobble)*(1+100/float64(members)))
	k.AddFloor("CPU a write", floor)
	k.Add("writes", "/s", Higher, 1e6/c.µs*(1+c.noise*wobble))
	us := func(v float64) time.Duration {
		return time.Duration(v * (1 + c.noise*wobble) * float64(time.Microsecond))
	}
	base := c.µs * float64(members) / 2
	k.AddLatency("latency", measure.Summary{Count: 1000, P50: us(base), P90: us(base * 1.7), P99: us(base * 2), P999: us(base * 2.2), Max: us(base * 9)})
	k.Add("delivered", "messages", "", float64(1000*members))
}

// single adds a scenario that has no point and lacks engines.
func single(r *Run, repeat int) *Run {
	r.Describe(Scenario{Name: "idle", About: "Links that do nothing, and what each takes."})
	for i := range repeat {
		for k, c := range costs[:min(3, len(costs))] {
			if k == 1 {
				continue
			}
			r.Case("idle", c.engine).Add("user RSS a link", "B", Lower, 400+100*float64(k)+10*wobble(i+k))
			r.Case("idle", c.engine).Add("kernel a link", "B", Lower, 3500+5*wobble(i+k))
		}
	}
	return r
}
