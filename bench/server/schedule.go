package server

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/comet/ledger"
)

// schedule says when which room gets its next batch. Rooms take turns, evenly
// spread, so that the load is as smooth as the rate allows.
type schedule struct {
	args    PushArgs
	rooms   int
	batches int           // in all
	every   time.Duration // from one batch to the next, of whatever room; 0: closed loop
	start   time.Time
	clock   stamp.Clock
	base    int64 // clock at start
}

func newSchedule(a PushArgs) (*schedule, error) {
	if a.Batch == 0 {
		a.Batch = 1
	}
	a.Size = max(a.Size, stamp.Len)
	switch {
	case a.Rate < 0 || math.IsNaN(a.Rate) || math.IsInf(a.Rate, 0):
		return nil, fmt.Errorf("a rate of %v messages a second", a.Rate)
	case a.Rooms < 0 || a.Batch < 0 || a.Count < 0 || a.Count%a.Batch != 0:
		return nil, fmt.Errorf("%d messages to %d rooms in batches of %d", a.Count, a.Rooms, a.Batch)
	case slices.ContainsFunc(a.Lanes, func(lane int) bool { return lane < 0 || lane >= ledger.Lanes }):
		return nil, fmt.Errorf("lanes %v: there are %d, from 0", a.Lanes, ledger.Lanes)
	case a.Expires < 0 || a.Speed < 0:
		return nil, fmt.Errorf("expires after %v, speed %d: must not be negative", a.Expires, a.Speed)
	case a.Count == 0 && a.Duration <= 0:
		return nil, fmt.Errorf("neither a number of messages nor a duration")
	}
	s := &schedule{args: a, rooms: max(a.Rooms, 1), clock: stamp.NewClock()}
	if a.Rate > 0 {
		s.every = time.Duration(float64(a.Batch) / a.Rate / float64(s.rooms) * float64(time.Second))
	}
	switch {
	case a.Count > 0:
		s.batches = a.Count / a.Batch * s.rooms
	case a.Rate > 0:
		s.batches = max(1, int(a.Duration.Seconds()*a.Rate/float64(a.Batch))) * s.rooms
	default:
		s.batches = math.MaxInt
	}
	return s, nil
}

// due is when batch n is, since the start.
func (s *schedule) due(n int) time.Duration { return time.Duration(n) * s.every }

// run calls each with the numbers of the batches that are due, from and up to
// but not including to, and says how late the latest of them was.
func (s *schedule) run(ctx context.Context, each func(from, to int) error) (late time.Duration, err error) {
	s.start, s.base = time.Now(), s.clock.Now()
	if s.every == 0 {
		return 0, s.closed(ctx, each)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; n < s.batches; {
		now := time.Since(s.start)
		if wait := s.due(n) - now; wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return late, ctx.Err()
			case <-timer.C:
			}
			continue
		}
		to := n + 1
		for to < s.batches && to-n < mostAtOnce && s.due(to) <= now {
			to++
		}
		if err := each(n, to); err != nil {
			return late, err
		}
		late = max(late, time.Since(s.start)-s.due(n))
		n = to
	}
	return late, ctx.Err()
}

// mostAtOnce bounds what is handed over together when much is due.
const mostAtOnce = 256

// closed calls each with one batch after the other. Every room gets as many.
func (s *schedule) closed(ctx context.Context, each func(from, to int) error) error {
	for n := 0; n < s.batches; n++ {
		if s.args.Count == 0 && n > 0 && n%s.rooms == 0 && time.Since(s.start) >= s.args.Duration {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(n, n+1); err != nil {
			return err
		}
	}
	return nil
}

// stamps calls yield with the stamp of each message of batch n. In a closed
// loop it is due when it is stamped.
func (s *schedule) stamps(n int, yield func(stamp.Stamp)) {
	st := stamp.Stamp{Run: s.args.Run, Room: uint32(n % s.rooms), Sent: s.base + int64(s.due(n))}
	if s.args.Rooms == 0 {
		st.Room = stamp.Everyone
	}
	if s.every == 0 {
		st.Sent = s.clock.Now()
	}
	first := n / s.rooms * s.args.Batch
	for i := range s.args.Batch {
		st.Seq = uint32(first+i) + 1
		yield(st)
	}
}
