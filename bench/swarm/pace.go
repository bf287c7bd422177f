package swarm

import (
	"math"
	"time"
)

// pace deals things out at a rate. The zero pace deals none.
type pace struct {
	rate  float64 // a second
	start int64   // ns
	done  int64   // since start
}

func newPace(rate float64, now int64) pace { return pace{rate: rate, start: now} }

// due is how many are due and have not been dealt.
func (p *pace) due(now int64) int {
	if p.rate <= 0 {
		return 0
	}
	return int(int64(float64(now-p.start)*p.rate/1e9) - p.done)
}

// deal counts one, and says when it was due.
func (p *pace) deal() (at int64) {
	p.done++
	return p.at(p.done)
}

// at is when the n-th is due, from 1.
func (p *pace) at(n int64) int64 { return p.start + int64(math.Ceil(float64(n)*1e9/p.rate)) }

// wait is how long until the next is due; negative for ever.
func (p *pace) wait(now int64) time.Duration {
	if p.rate <= 0 {
		return -1
	}
	return time.Duration(max(0, p.at(p.done+1)-now))
}
