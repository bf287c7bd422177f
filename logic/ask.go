package logic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// Asker asks one comet what became of messages. Package logic/ask implements it
// by gRPC. Its methods may be called concurrently.
type Asker interface {
	// Message tells of one message; known is false if the comet does not know
	// it.
	Message(ctx context.Context, c Comet, id string) (f Fate, known bool, err error)
	// Room tells of the messages of a room; known is false if it has no members
	// there.
	Room(ctx context.Context, c Comet, room ident.Room) (l RoomLedger, known bool, err error)
}

// Ends counts messages × links by outcome ("delivered", or the reason of a
// drop) and lane.
type Ends map[string]map[string]uint64

func (e Ends) add(more Ends) {
	for outcome, lanes := range more {
		if e[outcome] == nil {
			e[outcome] = map[string]uint64{}
		}
		addCounts(e[outcome], lanes)
	}
}

func addCounts(sum, more map[string]uint64) {
	for name, n := range more {
		sum[name] += n
	}
}

// Fate is what became of a message: for how many links it has ended how, so
// far, by outcome, and how long the slowest delivery took since it was accepted
// here (by two clocks, if the comet runs on another machine).
type Fate struct {
	Links   map[string]uint64
	Slowest time.Duration
}

// RoomLedger is what became of a room's messages while it had members. Every
// comet counts from a time of its own, of which Since is the latest.
type RoomLedger struct {
	Since  time.Time
	Links  int
	Pushed map[string]uint64 // messages by lane; the most that one comet counts
	// Handed are messages × links by lane that went to links one by one (in a
	// comet's loop with few members of the room): they end in the comet's
	// metrics and at the message, not in Ends.
	Handed map[string]uint64
	Ends   Ends
}

// Asked says how complete an answer of the cluster is.
type Asked struct {
	Comets int            // that answered
	Silent []ident.Server // that live and did not
}

// ErrUnknownMessage: no comet knows the message.
var ErrUnknownMessage = errors.New("no comet knows the message")

// askAtOnce bounds how many comets are asked at the same moment.
const askAtOnce = 32

// Message asks every living comet what became of a message. The error is
// ErrUnknownMessage if all answered and none knows, or wraps ErrUnavailable if
// none knows and some are silent.
func (s *Service) Message(ctx context.Context, id string) (Fate, Asked, error) {
	sum := Fate{Links: map[string]uint64{}}
	if !printable(id, maxID) {
		return sum, Asked{}, fmt.Errorf("%w: not 1 to %d printable bytes", ErrPushID, maxID)
	}
	found := false
	asked, err := askAll(ctx, s, func(ctx context.Context, c Comet) (func(), error) {
		fate, known, err := s.cfg.Asker.Message(ctx, c, id)
		return func() {
			found = found || known
			addCounts(sum.Links, fate.Links)
			sum.Slowest = max(sum.Slowest, fate.Slowest)
		}, err
	})
	return sum, asked, judge(asked, err, found)
}

// RoomLedger asks every living comet about the messages of a room. The error
// wraps ErrUnavailable if no comet that answered knows the room and some are
// silent; a room without members has an empty ledger.
func (s *Service) RoomLedger(ctx context.Context, room ident.Room) (RoomLedger, Asked, error) {
	sum := RoomLedger{Pushed: map[string]uint64{}, Handed: map[string]uint64{}, Ends: Ends{}}
	found := false
	asked, err := askAll(ctx, s, func(ctx context.Context, c Comet) (func(), error) {
		l, known, err := s.cfg.Asker.Room(ctx, c, room)
		return func() {
			if !known {
				return
			}
			found = true
			sum.add(&l)
		}, err
	})
	if err = judge(asked, err, found); errors.Is(err, ErrUnknownMessage) {
		err = nil
	}
	return sum, asked, err
}

func (l *RoomLedger) add(more *RoomLedger) {
	if more.Since.After(l.Since) {
		l.Since = more.Since
	}
	l.Links += more.Links
	for lane, n := range more.Pushed {
		l.Pushed[lane] = max(l.Pushed[lane], n)
	}
	addCounts(l.Handed, more.Handed)
	l.Ends.add(more.Ends)
}

// askAll asks the living comets; what ask returns is called one at a time.
func askAll(ctx context.Context, s *Service, ask func(context.Context, Comet) (take func(), err error)) (asked Asked, err error) {
	if s.cfg.Asker == nil {
		return asked, fmt.Errorf("%w: this logic has no way to ask comets", ErrUnavailable)
	}
	type answer struct {
		take func()
		err  error
	}
	comets := s.observer.living()
	answers := make([]answer, len(comets))
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	for i, c := range comets {
		group.Go(func() error {
			answers[i].take, answers[i].err = ask(ctx, c)
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	for i, a := range answers {
		if a.err != nil {
			asked.Silent = append(asked.Silent, comets[i].Server)
			err = a.err
			continue
		}
		a.take()
		asked.Comets++
	}
	return asked, err
}

// judge decides whether an answer that is not complete is one.
func judge(asked Asked, err error, found bool) error {
	switch {
	case found:
		return nil
	case errors.Is(err, ErrUnavailable):
		return err
	case err != nil:
		return fmt.Errorf("%w: %d comets do not answer: %w", ErrUnavailable, len(asked.Silent), err)
	}
	return ErrUnknownMessage
}

// Cancel calls off what has not been sent yet of a push to all. It goes the way
// of the push itself, behind it. The error is of the same kinds as
// PushResult.Err.
func (s *Service) Cancel(ctx context.Context, id string) error {
	if !printable(id, maxID) {
		return fmt.Errorf("%w: not 1 to %d printable bytes", ErrPushID, maxID)
	}
	rec := &pushpb.Push{Id: newID(), Kind: pushpb.Kind_KIND_CANCEL, Cancel: id, AcceptedUs: s.cfg.Clock().UnixMicro()}
	err := s.cfg.Publisher.Publish(ctx, []*pushpb.Push{rec})[0]
	s.metrics.pushes.WithLabelValues("cancel", outcome(err)).Inc()
	return err
}
