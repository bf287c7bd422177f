package raw

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/sock"
)

// BenchmarkCrowded is an echo by an idle loop beside loops that are busy all
// the time, in turns of a millisecond; there are as many as the name says. The
// first figure of a name is by how much GOMAXPROCS is above the number of
// processors.
func BenchmarkCrowded(b *testing.B) {
	for _, busy := range []int{0, 1, 2, 8} {
		for _, extra := range []int{0, 2} {
			for _, how := range []Options{{}, {Private: true}} {
				b.Run(fmt.Sprintf("procs+%d/busy=%d/%s%s", extra, busy, engineName, how), func(b *testing.B) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + extra))
					benchCrowded(b, how, busy)
				})
			}
		}
	}
}

func benchCrowded(b *testing.B, how Options, busy int) {
	opened := make(chan int, 1)
	e := openBenchLoops(b, how, busy+1, func(l poller.Loop) poller.Handler {
		return &worker{quiet{&echo{loop: l, size: 1}}, opened, l.Index() > 0}
	})
	peer := newCrowd(b, e.Addrs()[0].String())
	for idle := false; !idle; idle = <-opened == 0 {
		peer.ask("dial", 1)
	}
	b.ResetTimer()
	s := peer.ask("time", b.N)
	b.ReportMetric(float64(s.refused), "p50-µs")
	b.ReportMetric(float64(s.lost), "p99-µs")
}

// worker echoes, and fills every turn with system calls if it is busy.
type worker struct {
	quiet
	opened chan int
	busy   bool
}

func (w *worker) OnOpen(poller.ID, poller.Conn) { w.opened <- w.loop.Index() }

func (w *worker) OnTurn(now time.Time) time.Duration {
	if !w.busy {
		return -1
	}
	one := make([]byte, 1)
	for time.Since(now) < time.Millisecond {
		sock.Recv(0, one) // not a socket: as good a call as any
	}
	return 0
}
