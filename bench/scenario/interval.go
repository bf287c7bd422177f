package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/swarm"
	"github.com/oortim/oort/comet/ledger"
)

// An interval of a soak is a stretch in which links move, and a short one in
// which none does. In the first, messages that are on their way to a link that
// comes or goes may count or not; in the second nothing is left to chance, and
// all counters must be the same.
const (
	busyShare = .75
	calmShare = .1
	napShare  = .25 // of an interval, for dozers
	napMost   = .75 // of the write timeout: they are not to be dropped
)

// sums are the counters of a stretch, or of several.
type sums struct {
	pushed   int64             // messages
	concerns int64             // messages × links, as the comet routed them
	ended    map[string]uint64 // the same by how they ended, as its ledger says
	got      int64             // as the clients say
	missed   int64             // passed over by links that stayed
	churned  int64
	walks    int64
	dropped  int64 // mutes that the server dropped
	used     cpu
	took     time.Duration
}

func (s *sums) add(o sums) {
	s.pushed += o.pushed
	s.concerns += o.concerns
	s.got += o.got
	s.missed += o.missed
	s.churned += o.churned
	s.walks += o.walks
	s.dropped += o.dropped
	s.used.server += o.used.server
	s.took += o.took
	if s.ended == nil {
		s.ended = map[string]uint64{}
	}
	for outcome, n := range o.ended {
		s.ended[outcome] += n
	}
}

// drops is how many messages × links ended without being delivered.
func (s *sums) drops() (n int64) {
	for outcome, k := range s.ended {
		if outcome != ledger.Outcome(ledger.Delivered).String() {
			n += int64(k)
		}
	}
	return n
}

func (s *sums) delivered() int64 { return int64(s.ended[ledger.Outcome(ledger.Delivered).String()]) }

func (s *soaking) interval(ctx context.Context, n int) error {
	s.Phase("interval %d: links move", n)
	moving, err := s.stretch(ctx, time.Duration(busyShare*float64(s.Every)), true)
	if err != nil {
		return err
	}
	s.Phase("interval %d: reckoning", n)
	still, err := s.stretch(ctx, time.Duration(calmShare*float64(s.Every)), false)
	if err != nil {
		return err
	}
	s.sums.add(moving)
	s.sums.add(still)
	v, err := s.examine(ctx)
	if err != nil {
		return err
	}
	v.at = time.Since(s.start)
	s.vitals = append(s.vitals, v)
	s.Tell("%6s  RSS %.2f MB (%.2f before collection), heap %.2f MB, %d descriptors, %d goroutines, %d threads; pushed %d × links: %s; %d lost to closing",
		v.at.Round(time.Second), mega(v.rss), mega(v.standing), mega(v.heap), v.descriptors, v.goroutines, v.threads,
		moving.concerns+still.concerns, outcomes(s.sums.ended), s.sums.delivered()-s.sums.got)
	return pause(ctx, time.Duration(n)*s.Every-v.at)
}

func mega(n int64) float64 { return float64(n) / 1e6 }

// outcomes are in the order of their names.
func outcomes(ended map[string]uint64) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(ended)) {
		words = append(words, fmt.Sprintf("%d %s", ended[name], name))
	}
	return strings.Join(words, ", ")
}

// streams are the pushes of a stretch, which go out side by side: to rooms, of
// all lanes; of large messages; of such as replace each other; to all links, at
// a speed at which some are reached too late; and to keys.
func (s *soaking) streams(run uint32, d time.Duration) []server.PushArgs {
	all := []server.PushArgs{
		{Rooms: s.Rooms, Rate: s.Messages, Size: messageSize, Lanes: []int{ledger.System, ledger.Gift, ledger.Chat, ledger.Ambient}},
		{Rooms: 1, Room: fatRoom, Rate: 20, Size: 24 << 10},
		{Rooms: 1, Room: likesRoom, Rate: 20, Batch: 5, Size: messageSize, Lanes: []int{ledger.Ambient}, Collapse: true},
		{Rate: .5, Size: messageSize, Lanes: []int{ledger.System}, Speed: int64(4 * s.Links), Expires: 150 * time.Millisecond},
		{Run: direct, Rooms: s.Walkers, Keys: walkerKey, Rate: 1, Size: messageSize},
	}
	for i := range all {
		a := &all[i]
		a.Run |= run
		batch := max(1, a.Batch)
		a.Count = max(1, int(math.Round(a.Rate*d.Seconds()/float64(batch)))) * batch
	}
	return all
}

// stretch pushes for a while, with links that move or not, and reckons.
func (s *soaking) stretch(ctx context.Context, d time.Duration, moving bool) (sum sums, err error) {
	t, err := s.begin(ctx)
	if err != nil {
		return sum, err
	}
	s.guests.begin(t.run)
	motion := s.move(ctx, t.run, moving)
	err = s.stir(ctx, moving)
	var pushed server.PushReply
	if err == nil {
		pushed, err = s.push(ctx, s.streams(t.run, d))
	}
	sum.pushed, sum.concerns = pushed.Messages, pushed.Concerns
	if err := errors.Join(err, motion.end(&sum)); err != nil {
		return sum, err
	}
	back, err := s.halt(ctx)
	if err != nil {
		return sum, err
	}
	sum.churned = back.Churned
	if sum.used, sum.took, err = t.soFar(); err != nil {
		return sum, err
	}
	return sum, s.reckon(ctx, t, &sum, moving)
}

// push sends all streams, and returns when the last is through.
func (s *soaking) push(ctx context.Context, streams []server.PushArgs) (sum server.PushReply, err error) {
	var mu sync.Mutex // guards sum and err
	var wait sync.WaitGroup
	for _, args := range streams {
		wait.Go(func() {
			r, e := s.server.Push(ctx, args)
			mu.Lock()
			defer mu.Unlock()
			sum.Messages += r.Messages
			sum.Concerns += r.Concerns
			err = errors.Join(err, e)
		})
	}
	wait.Wait()
	return sum, err
}

// motion is what moves in a stretch.
type motion struct {
	stop chan struct{}
	wait sync.WaitGroup

	mu             sync.Mutex // guards what follows
	walks, dropped int64
	errs           []error
}

// stir has the links of the swarm come and go, and send a heartbeat a minute.
func (s *soaking) stir(ctx context.Context, moving bool) error {
	if !moving {
		return nil
	}
	err := s.swarm.Beat(ctx, swarm.BeatArgs{Rate: float64(s.Links) / 60})
	return errors.Join(err, s.swarm.Churn(ctx, swarm.ChurnArgs{Rate: s.Churn}))
}

// move has guests change rooms, fall asleep and never read, until its end.
func (s *soaking) move(ctx context.Context, run uint32, moving bool) *motion {
	m := &motion{stop: make(chan struct{})}
	if !moving {
		return m
	}
	m.do(func() (walks, _ int64, err error) {
		walks, err = s.guests.walk(ctx, m.stop, s.Walks, s.Rooms)
		return walks, 0, err
	})
	m.do(func() (_, _ int64, err error) {
		s.guests.doze(ctx, m.stop, time.Duration(min(napShare*float64(s.Every), napMost*float64(s.Write))))
		return 0, 0, nil
	})
	addrs := s.at(s.Transport)
	for i := range s.Mutes {
		m.do(func() (_, dropped int64, err error) {
			dropped, err = s.guests.mute(ctx, m.stop, addrs[i%len(addrs)], i, run)
			return 0, dropped, err
		})
	}
	return m
}

func (m *motion) do(f func() (walks, dropped int64, err error)) {
	m.wait.Go(func() {
		walks, dropped, err := f()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.walks += walks
		m.dropped += dropped
		m.errs = append(m.errs, err)
	})
}

// end stops the guests.
func (m *motion) end(sum *sums) error {
	close(m.stop)
	m.wait.Wait()
	sum.walks, sum.dropped = m.walks, m.dropped
	return errors.Join(m.errs...)
}

// halt stops the swarm, and waits until all links are back.
func (s *soaking) halt(ctx context.Context) (back swarm.Counts, err error) {
	err = errors.Join(s.swarm.Churn(ctx, swarm.ChurnArgs{}), s.swarm.Beat(ctx, swarm.BeatArgs{}))
	if err != nil {
		return back, err
	}
	back, err = s.counts(ctx, func(c swarm.Counts) bool { return c.Joined == c.Churned })
	if err == nil && back.Joined != back.Churned {
		s.Case.Fault("%d links closed, %d came back", back.Churned, back.Joined)
	}
	if err = errors.Join(append(s.guests.ended(), err)...); err != nil {
		return back, err
	}
	return back, s.awaitLive(ctx, s.links+len(s.guests.walkers)+len(s.guests.dozers))
}

// reckon compares what was pushed, what the comet says of it, and what the
// clients have got.
func (s *soaking) reckon(ctx context.Context, t trial, sum *sums, moving bool) (err error) {
	moved := int64(0)
	if moving { // who comes and who goes, in each of the streams to rooms and to all
		moved = 4 * (sum.churned + sum.walks + sum.dropped + int64(s.Mutes))
	}
	if sum.ended, _, err = t.close(ctx, sum.concerns, moved); err != nil {
		return err
	}
	swarmed, guests, err := s.await(ctx, sum.delivered())
	if err != nil {
		return err
	}
	sum.got, sum.missed = swarmed.Messages+guests.messages, swarmed.Gaps+guests.missed
	s.checkLinks(swarmed)
	for _, err := range s.guests.ended() {
		s.Case.Fault("%v", err)
	}
	if guests.doubles > 0 {
		s.Case.Fault("guests got %d messages twice or out of order", guests.doubles)
	}
	if missed, told := s.dozersMissed(); missed > told {
		s.Case.Fault("links that fell behind missed %d messages and were told of %d", missed, told)
	}
	if sum.got > sum.delivered() || !moving && sum.got != sum.delivered() {
		s.Case.Fault("%d messages arrived, the comet says that it delivered %d", sum.got, sum.delivered())
	}
	if sum.missed > sum.drops() {
		s.Case.Fault("links that stayed passed over %d messages, the comet dropped %d", sum.missed, sum.drops())
	}
	return nil
}

// dozersMissed is what links missed that are told of it, and what they were told.
func (s *soaking) dozersMissed() (missed, told int64) {
	for _, g := range s.guests.dozers {
		got := g.got()
		missed, told = missed+got.missed, told+got.told
	}
	return missed, told
}

// await waits until all clients together have got want messages, or nothing
// more comes.
func (s *soaking) await(ctx context.Context, want int64) (c swarm.Counts, g gotten, err error) {
	last, since := int64(-1), time.Now()
	for {
		if c, err = s.swarm.Counts(ctx); err != nil {
			return c, g, err
		}
		g = s.guests.got()
		if now := c.Messages + g.messages; now != last {
			last, since = now, time.Now()
		}
		if last >= want || time.Since(since) >= quietTime {
			return c, g, nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return c, g, err
		}
	}
}

// report says what the soak consisted of; what grew is judge's to say.
func (s *soaking) report() {
	c, sum := s.Case, &s.sums
	c.Add("messages × links", "", "", float64(sum.concerns))
	for _, outcome := range slices.Sorted(maps.Keys(sum.ended)) {
		c.Add(outcome, "", "", float64(sum.ended[outcome]))
	}
	c.Add("lost to closing", "", "", float64(sum.delivered()-sum.got))
	c.Add("routed to who came or went", "", "", float64(sum.concerns-sum.delivered()-sum.drops()))
	c.Add("reconnects", "", "", float64(sum.churned))
	c.Add("changes of room", "", "", float64(sum.walks))
	c.Add("dropped for not reading", "", "", float64(sum.dropped))
	c.Add("server CPU", "cores", "", sum.used.server.Seconds()/sum.took.Seconds())
	c.Add("longest GC pause", "µs", report.Lower, per(s.vitals[len(s.vitals)-1].gcMost, 1))
}
