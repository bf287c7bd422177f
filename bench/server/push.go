package server

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/proto/pushpb"
)

// PushOp is the op of what is pushed.
const PushOp = 1000

// Push pushes what args describe, and answers when the comet has taken all.
func (s *Server) Push(ctx context.Context, args PushArgs) (r PushReply, err error) {
	plan, err := newSchedule(args)
	if err != nil {
		return r, err
	}
	before := s.ended()
	r.Late, err = plan.run(ctx, func(from, to int) error {
		var pushes []*pushpb.Push
		for n := from; n < to; n++ {
			plan.stamps(n, func(st stamp.Stamp) { pushes = append(pushes, plan.push(st)) })
		}
		links, err := s.apply(ctx, pushes)
		r.Messages += int64(len(pushes))
		r.Concerns += links
		if err == nil && plan.every == 0 {
			err = s.awaitEnded(ctx, before+uint64(r.Concerns))
		}
		return err
	})
	r.Took = time.Since(plan.start)
	return r, err
}

func (s *schedule) push(st stamp.Stamp) *pushpb.Push {
	p := &pushpb.Push{
		Op: PushOp, Lane: s.lane(st.Seq), Body: stamp.Append(make([]byte, 0, s.args.Size), st, s.args.Size),
	}
	switch {
	case s.args.Keys != "":
		p.Kind, p.Keys = pushpb.Kind_KIND_KEYS, []string{named(s.args.Keys, st.Room)}
	case st.Room == stamp.Everyone:
		p.Kind, p.Speed = pushpb.Kind_KIND_ALL, s.args.Speed
	default:
		p.Kind, p.Room = pushpb.Kind_KIND_ROOM, named(cmp.Or(s.args.Room, benchRoom), st.Room)
	}
	if s.args.Collapse {
		p.Collapse = "newest"
	}
	if s.args.Expires > 0 {
		p.ExpiresUs = s.dueAt(st).Add(s.args.Expires).UnixMicro()
	}
	return p
}

// lane of a room's message with that sequence number.
func (s *schedule) lane(seq uint32) pushpb.Lane {
	if len(s.args.Lanes) == 0 {
		return pushpb.Lane_LANE_CHAT
	}
	return pushpb.Lane(s.args.Lanes[int(seq-1)%len(s.args.Lanes)])
}

// dueAt is when the message with that stamp was due.
func (s *schedule) dueAt(st stamp.Stamp) time.Time {
	return s.start.Add(time.Duration(st.Sent - s.base))
}

// ended is how many messages × links have ended, in whatever way.
func (s *Server) ended() (n uint64) {
	for _, outcome := range s.comet.Ledger() {
		n += outcome
	}
	return n
}

// look is the time between two looks at the ledger: short beside the
// milliseconds in which a message reaches a room of a thousand.
const look = 50 * time.Microsecond

// standstill is how long the ledger may hold the same before nothing more is
// expected: longer than the comet lets a slow link take.
const standstill = 45 * time.Second

// awaitEnded waits until the ledger holds n.
func (s *Server) awaitEnded(ctx context.Context, n uint64) error {
	last, since := s.ended(), time.Now()
	for last < n {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(look)
		switch now := s.ended(); {
		case now != last:
			last, since = now, time.Now()
		case time.Since(since) > standstill:
			return fmt.Errorf("the ledger stands at %d of %d messages × links", last, n)
		}
	}
	return nil
}
