package raw

import (
	"testing"
	"time"
)

// A thread that blocks wakes when asked to, and neither early nor, on kernels
// that count in milliseconds, without having slept.
func TestBlocked(t *testing.T) {
	yes := func() bool { return true }
	for _, coarse := range []bool{false, true} {
		p, err := openPoll(Options{Locked: true})
		if err != nil {
			t.Fatal(err)
		}
		s := p.sleeper.(*blocked)
		s.coarse = coarse
		const short = 300 * time.Microsecond
		start := time.Now()
		if n := p.wait(short, yes); n != 0 || time.Since(start) < short {
			t.Errorf("coarse %v: %d events after %v of %v", coarse, n, time.Since(start), short)
		}
		if s.coarse != coarse {
			t.Error("this kernel lacks epoll_pwait2?")
		}
		p.wait(time.Hour, func() bool { return false })
		woken := make(chan int)
		go func() { woken <- p.wait(-1, func() bool { go p.wake(); return true }) }()
		select {
		case n := <-woken:
			if slot, gen, _ := p.event(0); n != 1 || slot != noSlot || gen != listenerGen {
				t.Errorf("a wake is %d events, slot %d, generation %d", n, slot, gen)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("never woken")
		}
		p.close()
		p.wake() // late
	}
}
