package swarm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/stamp"
)

// ErrUnsupported: the machine's kernel cannot run a swarm.
var ErrUnsupported = errors.New("swarm: needs Linux")

// Swarm is links on loops of this process. Its methods may be called from
// anywhere. End must follow.
type Swarm struct {
	// immutable
	clock stamp.Clock
	least int // loops to begin with
	room  int // links a loop

	dialling sync.Mutex // held by Dial: one at a time

	mu    sync.Mutex // guards what follows
	loops []*loop
	dealt []int // how many numbers each loop has been given
	asked int   // the sum of it
	dials int
	ended bool

	rss     int64 // when it was last read
	weighed time.Time
}

// Open makes a swarm without links. loops is how many loops it has at least;
// zero means one a processor. More are started as links need them.
func Open(loops int) (*Swarm, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	if loops < 0 {
		return nil, fmt.Errorf("swarm: loops must not be negative, but is %d", loops)
	}
	if loops == 0 {
		loops = runtime.NumCPU()
	}
	room, err := descriptors()
	if err == nil && room < 1 {
		err = fmt.Errorf("the limit leaves no descriptors for links")
	}
	if err != nil {
		return nil, fmt.Errorf("swarm: %w", err)
	}
	return &Swarm{clock: stamp.NewClock(), least: loops, room: room}, nil
}

// Dial asks for more links and returns when each of them lives or has failed,
// which is no error. If ctx ends before, the rest is abandoned and counts as
// failed.
func (s *Swarm) Dial(ctx context.Context, a DialArgs) (DialReply, error) {
	s.dialling.Lock()
	defer s.dialling.Unlock()
	before, start := s.Counts(), time.Now()
	retries := s.sum(func(l *loop) int64 { return l.retries })
	p, index, err := s.start(a)
	if err != nil {
		return DialReply{}, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		s.each(func(l *loop) { l.abandon(l.dials[index]) })
		<-p.done
	}
	after := s.Counts()
	return DialReply{
		Live:    s.liveOf(index),
		Failed:  difference(after.Failed, before.Failed),
		Retries: s.sum(func(l *loop) int64 { return l.retries }) - retries,
		Took:    time.Since(start),
		Join:    after.Join,
	}, ctx.Err()
}

// each has f done by each loop, all at the same time, and waits for them.
func (s *Swarm) each(f func(l *loop)) {
	var wait sync.WaitGroup
	for _, l := range s.all() {
		wait.Add(1)
		if !l.post(func() { defer wait.Done(); f(l) }) {
			wait.Done()
		}
	}
	wait.Wait()
}

// gather is each for an f that adds up: it runs for one loop at a time.
func (s *Swarm) gather(f func(l *loop)) {
	var mu sync.Mutex
	s.each(func(l *loop) {
		mu.Lock()
		defer mu.Unlock()
		f(l)
	})
}

func (s *Swarm) sum(f func(l *loop) int64) (total int64) {
	s.gather(func(l *loop) { total += f(l) })
	return total
}

func (s *Swarm) all() []*loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.loops)
}

func (s *Swarm) liveOf(dial uint8) int {
	return int(s.sum(func(l *loop) (n int64) {
		for i := range l.links {
			if ln := &l.links[i]; ln.state == live && ln.party == dial {
				n++
			}
		}
		return n
	}))
}

// shared divides a rate by how many live links loops have.
func (s *Swarm) shared(rate float64, f func(l *loop, rate float64)) {
	total := s.sum(func(l *loop) int64 { return int64(l.living - l.stalls) })
	s.each(func(l *loop) { f(l, rate*float64(l.living-l.stalls)/float64(max(1, total))) })
}

// Status is how the swarm stands.
func (s *Swarm) Status() Status {
	var st Status
	s.gather(func(l *loop) {
		st.Loops++
		st.Live += l.living
		st.Stalled += l.stalls
		st.Retries += l.retries
		st.Received += l.tally.received
		st.Messages += l.tally.messages
		add(&st.Failed, l.failed)
		add(&st.Lost, l.lost)
		st.Dialling += l.underWay
		for _, d := range l.dials {
			st.Dialling += int(d.end-d.next) + len(d.again)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Asked, st.RSS = s.asked, s.weighLocked()
	return st
}

// weighEvery is how old an RSS may be: the kernel counts pages one by one.
const weighEvery = 500 * time.Millisecond

func (s *Swarm) weighLocked() int64 {
	if time.Since(s.weighed) < weighEvery {
		return s.rss
	}
	if m, err := measure.OpenProcess(os.Getpid()).Memory(); err == nil {
		s.rss, s.weighed = m.RSS, time.Now()
	}
	return s.rss
}

// Reset starts a measurement: what is counted from here on is of messages
// whose stamps say run and whose sequences begin at 1. Links that are dialled
// later take the first message that they see for the beginning.
func (s *Swarm) Reset(a ResetArgs) {
	s.each(func(l *loop) {
		l.reset(a.Run)
		l.echoes = echoing{}
	})
}

// Counts since the last reset.
func (s *Swarm) Counts() Counts {
	var c Counts
	s.gather(func(l *loop) { l.count(&c) })
	latency, beat, join := measure.NewLatency(), measure.NewLatency(), measure.NewLatency()
	for _, l := range s.all() {
		latency.Add(l.latency)
		beat.Add(l.beatLatency)
		join.Add(l.join)
	}
	c.Latency, c.BeatLatency, c.Join = latency.Summary(), beat.Summary(), join.Summary()
	return c
}

// Beat has links send heartbeats, each in its turn.
func (s *Swarm) Beat(a BeatArgs) {
	s.shared(a.Rate, func(l *loop, rate float64) { l.beats = newPace(rate, l.clock.Now()) })
}

// Echo has links send messages and expect them back.
func (s *Swarm) Echo(a EchoArgs) {
	s.shared(a.Rate, func(l *loop, rate float64) {
		if a.Depth <= 0 && a.Rate <= 0 {
			l.echoes.depth, l.echoes.pace = 0, pace{}
			return
		}
		l.reset(a.Run)
		l.echoes = newEchoing(a, rate, l.clock.Now())
		for fd := range l.links {
			l.echoes.feed(l, fd)
		}
	})
}

// Stall has a share of the live links stop reading.
func (s *Swarm) Stall(a StallArgs) StallReply {
	s.each(func(l *loop) { l.stall(a) })
	return StallReply{Stalled: int(s.sum(func(l *loop) int64 { return int64(l.stalls) }))}
}

// Resume has stalled links read again.
func (s *Swarm) Resume() { s.each((*loop).resume) }

// Churn has live links close and dial anew, each in its turn.
func (s *Swarm) Churn(a ChurnArgs) {
	s.shared(a.Rate, func(l *loop, rate float64) {
		l.churns, l.churnReset = newPace(rate, l.clock.Now()), a.Reset
	})
}

// Close ends every link, and what is being dialled. The swarm lives on.
func (s *Swarm) Close(a CloseArgs) {
	s.each(func(l *loop) { l.closeAll(a.Reset) })
}

// End closes every link and ends the loops.
func (s *Swarm) End() {
	s.mu.Lock()
	loops := s.loops
	s.loops, s.dealt, s.ended = nil, nil, true
	s.mu.Unlock()
	var wait sync.WaitGroup
	for _, l := range loops {
		wait.Go(l.stop)
	}
	wait.Wait()
}

func difference(after, before map[string]int64) map[string]int64 {
	d := map[string]int64{}
	for why, n := range after {
		if n > before[why] {
			d[why] = n - before[why]
		}
	}
	return d
}
