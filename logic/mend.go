package logic

import (
	"context"
	"errors"
	"fmt"

	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// Digests says what is stored of a comet's sessions, for the comet to compare
// with what it holds. The error wraps ErrUnavailable.
func (s *Service) Digests(ctx context.Context, server ident.Server) (*roster.Digests, error) {
	digests, err := s.cfg.Sessions.Digests(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("%w: digests: %w", ErrUnavailable, err)
	}
	return digests, nil
}

// Mended says what was wrong in some buckets of keys.
type Mended struct {
	// Lost are links that the comet holds and must close: another login has
	// their key.
	Lost []Session
	// Strangers are sessions that are stored for the comet and that it did not
	// name. Its connects may be under way, so only the comet can tell whether a
	// stranger is a ghost; it gives those back.
	Strangers []Session
	// Missing is how many of those held had no session and have one again.
	Missing int
}

// Mend makes the sessions of a comet in some buckets of keys those that it
// holds: held are all of them, and nothing else. What is missing is restored at
// its epoch, also after a total loss of the store; what is stored too is named
// in the answer. It may be repeated. The error wraps ErrUnavailable, or is
// ErrMend if held is not of buckets.
func (s *Service) Mend(ctx context.Context, server ident.Server, buckets []int, held []Session) (Mended, error) {
	if err := checkHeld(buckets, held); err != nil {
		return Mended{}, err
	}
	stored, err := s.cfg.Sessions.Roster(ctx, server, buckets)
	if err != nil {
		return Mended{}, fmt.Errorf("%w: roster: %w", ErrUnavailable, err)
	}
	mended := compare(stored, held)
	mended.Lost, err = s.restore(ctx, server, held)
	mended.Missing = max(0, mended.Missing-len(mended.Lost))
	s.metrics.mended.WithLabelValues("missing").Add(float64(mended.Missing))
	s.metrics.mended.WithLabelValues("stranger").Add(float64(len(mended.Strangers)))
	s.metrics.mended.WithLabelValues("lost").Add(float64(len(mended.Lost)))
	return mended, err
}

// ErrMend: a comet names a session outside of the buckets that it speaks of.
var ErrMend = errors.New("logic: bad mending")

func checkHeld(buckets []int, held []Session) error {
	var spoken [roster.Buckets]bool
	for _, b := range buckets {
		if b < 0 || b >= roster.Buckets || spoken[b] {
			return fmt.Errorf("%w: bucket %d", ErrMend, b)
		}
		spoken[b] = true
	}
	for i := range held {
		if _, err := ident.ParseKey(string(held[i].Key)); err != nil || !held[i].Present() {
			return fmt.Errorf("%w: key %.80q, epoch %d", ErrMend, held[i].Key, held[i].Epoch)
		}
		if b := roster.Bucket(held[i].Key); !spoken[b] {
			return fmt.Errorf("%w: key %q of bucket %d", ErrMend, held[i].Key, b)
		}
	}
	return nil
}

// compare finds the strangers among what is stored, and counts what is held
// and not stored, or stored otherwise.
func compare(stored [][]Session, held []Session) (m Mended) {
	type name struct {
		key         ident.Key
		link, epoch uint64
		mid         int64
	}
	known := make(map[name]struct{}, len(held))
	for _, h := range held {
		known[name{h.Key, h.Link, h.Epoch, h.Mid}] = struct{}{}
	}
	m.Missing = len(known)
	for _, list := range stored {
		for _, one := range list {
			if _, ok := known[name{one.Key, one.Link, one.Epoch, one.Mid}]; ok {
				m.Missing--
				continue
			}
			m.Strangers = append(m.Strangers, one)
		}
	}
	return m
}

// restore restores what a comet holds, all of it, for a session may be missing
// though it is listed (its time to live may be over), and so it lives on. It
// returns the links that lost their key.
func (s *Service) restore(ctx context.Context, server ident.Server, held []Session) (lost []Session, err error) {
	for i := range held {
		held[i].Server = server
	}
	var losers []Session
	for i, r := range s.cfg.Sessions.Restore(ctx, held) {
		switch {
		case r.Err != nil:
			err = fmt.Errorf("%w: restore: %w", ErrUnavailable, r.Err)
		case r.Lost:
			lost = append(lost, held[i])
		case r.Loser.Present() && r.Loser.Server != server:
			losers = append(losers, r.Loser)
		}
	}
	s.kickLosers(ctx, losers)
	return lost, err
}
