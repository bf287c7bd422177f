package server

import (
	"context"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/proto/pushpb"
)

// pushOp is the op of what is pushed.
const pushOp = 1000

// schedule says when which room gets its next batch. Rooms take turns, evenly
// spread, so that the load is as smooth as the rate allows.
type schedule struct {
	args  PushArgs
	rooms int
	every time.Duration // from one batch to the next, of whatever room
	start time.Time
	clock stamp.Clock
	base  int64 // clock at start
}

func newSchedule(a PushArgs) (*schedule, error) {
	if a.Batch == 0 {
		a.Batch = 1
	}
	a.Size = max(a.Size, stamp.Len)
	switch {
	case a.Rate <= 0:
		return nil, fmt.Errorf("a rate of %v messages a second", a.Rate)
	case a.Rooms < 0 || a.Batch < 0 || a.Count < 0 || a.Count%a.Batch != 0:
		return nil, fmt.Errorf("%d messages to %d rooms in batches of %d", a.Count, a.Rooms, a.Batch)
	}
	s := &schedule{args: a, rooms: max(a.Rooms, 1), clock: stamp.NewClock()}
	s.every = time.Duration(float64(a.Batch) / a.Rate / float64(s.rooms) * float64(time.Second))
	return s, nil
}

// batches is how many there are in all.
func (s *schedule) batches() int { return s.args.Count / s.args.Batch * s.rooms }

func (s *schedule) due(n int) time.Duration { return time.Duration(n) * s.every }

// run calls each with the numbers of the batches that are due, from and up to
// but not including to, and says how late the latest of them was.
func (s *schedule) run(ctx context.Context, each func(from, to int) error) (late time.Duration, err error) {
	s.start, s.base = time.Now(), s.clock.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; n < s.batches(); {
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
		for to < s.batches() && to-n < mostAtOnce && s.due(to) <= now {
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

// stamps calls yield with the stamp of each message of batch n.
func (s *schedule) stamps(n int, yield func(stamp.Stamp)) {
	st := stamp.Stamp{Run: s.args.Run, Room: uint32(n % s.rooms), Sent: s.base + int64(s.due(n))}
	if s.args.Rooms == 0 {
		st.Room = stamp.Everyone
	}
	first := n / s.rooms * s.args.Batch
	for i := range s.args.Batch {
		st.Seq = uint32(first+i) + 1
		yield(st)
	}
}

// Push pushes what args describe, and answers when the comet has taken all.
func (s *Server) Push(ctx context.Context, args PushArgs) (r PushReply, err error) {
	plan, err := newSchedule(args)
	if err != nil {
		return r, err
	}
	r.Late, err = plan.run(ctx, func(from, to int) error {
		var pushes []*pushpb.Push
		for n := from; n < to; n++ {
			plan.stamps(n, func(st stamp.Stamp) { pushes = append(pushes, plan.push(st)) })
		}
		links, err := s.apply(ctx, pushes)
		r.Messages += int64(len(pushes))
		r.Concerns += links
		return err
	})
	r.Took = time.Since(plan.start)
	return r, err
}

func (s *schedule) push(st stamp.Stamp) *pushpb.Push {
	p := &pushpb.Push{
		Kind: pushpb.Kind_KIND_ROOM, Room: RoomName(st.Room), Op: pushOp, Lane: pushpb.Lane_LANE_CHAT,
		Body: stamp.Append(make([]byte, 0, s.args.Size), st, s.args.Size),
	}
	if st.Room == stamp.Everyone {
		p.Kind, p.Room = pushpb.Kind_KIND_ALL, ""
	}
	return p
}
