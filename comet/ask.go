package comet

import (
	"context"
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

// Fate tells for how many links a message has ended how, and how long the
// slowest delivery took since it was accepted. ok is false if the comet does not
// know the id: it concerned nobody here, or too long ago. For links in its room
// it counts from when it is sent or dropped, so links that left before are in
// the sums of the ledger only; and what is lost to members that lag counts as
// slow, also if they close.
func (s *Server) Fate(id string) (ends [ledger.Outcomes]uint32, slowest time.Duration, ok bool) {
	t := s.traces.Find(id)
	if t == nil {
		return ends, 0, false
	}
	ends, slowest = t.Ended()
	return ends, slowest, true
}

// RoomLedger is what became of a room's messages here.
type RoomLedger struct {
	room.Ledger
	Links int // members now
	Known bool
}

// RoomLedger asks the loops for their parts of a room and adds them up.
func (s *Server) RoomLedger(ctx context.Context, name ident.Room) (sum RoomLedger, err error) {
	q := &question{room: name, answers: make(chan roomAnswer, len(s.buckets))}
	var asked int
	s.census.loopsOf(name, func(_ int, links int32) { sum.Links += int(links) })
	for i := range s.buckets {
		if err := s.mustPost(i, poller.Task{Kind: taskQuestion, Ref: q}); err != nil {
			return sum, err
		}
		asked++
	}
	for range asked {
		select {
		case a := <-q.answers:
			sum.add(a)
		case <-ctx.Done():
			return sum, ctx.Err()
		case <-s.over:
			return sum, ErrStopping
		}
	}
	return sum, nil
}

func (l *RoomLedger) add(a roomAnswer) {
	if !a.known {
		return
	}
	if !l.Known || a.ledger.Since.After(l.Since) {
		l.Since = a.ledger.Since // from then on all loops count
	}
	l.Known = true
	l.Pushed = a.ledger.most(l.Pushed)
	l.Handed.Add(&a.ledger.Handed, 1)
	for o := range a.ledger.Ends {
		l.Ends[o].Add(&a.ledger.Ends[o], 1)
	}
}

// question is put to every loop, which answers once.
type question struct {
	room    ident.Room
	answers chan roomAnswer // has place for all
}

type roomAnswer struct {
	ledger loopLedger
	known  bool
}

// loopLedger is a room's ledger of one loop.
type loopLedger struct{ room.Ledger }

// most is the larger count in each lane: every loop with members is given each
// message of the room.
func (l *loopLedger) most(other ledger.Counts) ledger.Counts {
	for lane, n := range l.Pushed {
		other[lane] = max(other[lane], n)
	}
	return other
}

func (b *bucket) answerRoom(q *question) {
	l, known := b.rooms.Ledger(q.room)
	q.answers <- roomAnswer{loopLedger{l}, known}
}
