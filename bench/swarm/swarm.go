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

// maxDials is how many a link's field can tell apart.
const maxDials = 256

// start hands a party to the loops.
func (s *Swarm) start(a DialArgs) (*party, uint8, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := newParty(a, uint32(s.asked))
	if err != nil {
		return nil, 0, err
	}
	if s.dials == maxDials {
		return nil, 0, fmt.Errorf("swarm: more than %d dials", maxDials)
	}
	if err := s.growLocked(s.asked + a.Links); err != nil {
		return nil, 0, err
	}
	index := uint8(s.dials)
	s.dials++
	for i, share := range s.sharesLocked(a.Links) {
		d := &dialling{
			party: p, index: index, next: uint32(s.asked), end: uint32(s.asked + share),
			underWay: max(1, p.UnderWay/len(s.loops)),
		}
		s.asked += share
		s.dealt[i] += share
		rate := p.Rate * float64(share) / float64(p.Links)
		l := s.loops[i]
		l.do(func() {
			d.pace = newPace(rate, l.clock.Now())
			l.dials = append(l.dials, d)
		})
	}
	return p, index, nil
}

// growLocked starts as many loops as links need.
func (s *Swarm) growLocked(links int) error {
	want := max(s.least, (links+s.room-1)/s.room)
	makeRoomToRun(want)
	for len(s.loops) < want {
		l, err := newLoop(s.clock, s.room, s.dials)
		if err != nil {
			return fmt.Errorf("swarm: loop %d: %w", len(s.loops), err)
		}
		s.loops, s.dealt = append(s.loops, l), append(s.dealt, 0)
	}
	return nil
}

// sharesLocked deals n links out such that loops have equally many.
func (s *Swarm) sharesLocked(n int) []int {
	order := make([]int, len(s.loops))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return s.dealt[b] - s.dealt[a] }) // fullest first
	shares := make([]int, len(s.loops))
	total := s.asked + n
	for i, loop := range order {
		level := total / (len(order) - i) // of the loops not passed yet
		shares[loop] = min(n, max(0, level-s.dealt[loop]))
		n -= shares[loop]
		total -= s.dealt[loop] + shares[loop]
	}
	return shares
}

// each has f done by each loop, one after the other.
func (s *Swarm) each(f func(l *loop)) {
	s.mu.Lock()
	loops := slices.Clone(s.loops)
	s.mu.Unlock()
	for _, l := range loops {
		l.do(func() { f(l) })
	}
}

func (s *Swarm) sum(f func(l *loop) int64) (total int64) {
	s.each(func(l *loop) { total += f(l) })
	return total
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
	s.each(func(l *loop) {
		st.Loops++
		st.Live += l.living
		st.Stalled += l.stalls
		st.Retries += l.retries
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
	latency, beat, join := measure.NewLatency(), measure.NewLatency(), measure.NewLatency()
	s.each(func(l *loop) {
		l.count(&c)
		latency.Add(l.latency)
		beat.Add(l.beatLatency)
		join.Add(l.join)
	})
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
	s.loops, s.dealt = nil, nil
	s.mu.Unlock()
	for _, l := range loops {
		l.stop()
	}
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
