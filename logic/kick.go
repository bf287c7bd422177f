package logic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// ReasonReplaced is what the loser of a key is told.
const ReasonReplaced = "replaced"

// reasonKicked is what a kicked client is told if the kicker says nothing.
const reasonKicked = "kicked"

// maxReason is the longest reason of a kick, in bytes.
const maxReason = 32

// kickTimeout bounds how long a login waits until its loser's kick is stored.
const kickTimeout = 500 * time.Millisecond

// kick is a session that must end, and why.
type kick struct {
	Session
	reason string
}

// Kick closes the links of a key, or of all keys of a mid (key is empty), and
// returns how many were online. A later login of the same keys is not touched.
// The error is of the same kinds as PushResult.Err.
func (s *Service) Kick(ctx context.Context, key ident.Key, mid int64, reason string) (kicked int, err error) {
	if reason == "" {
		reason = reasonKicked
	}
	if !reasonWord(reason) {
		return 0, fmt.Errorf("%w: reason %.40q is not [a-z_]{1,%d}", ErrPushOption, reason, maxReason)
	}
	sessions, err := s.Sessions(ctx, key, mid)
	if err != nil {
		return 0, err
	}
	kicks := make([]kick, len(sessions))
	for i, session := range sessions {
		kicks[i] = kick{Session: session, reason: reason}
	}
	for _, err := range s.publishKicks(ctx, kicks) {
		if err != nil {
			return 0, err
		}
	}
	return len(kicks), nil
}

// Sessions lists who is online under a key, or under a mid if key is empty.
// The error wraps ErrPushTarget or ErrUnavailable.
func (s *Service) Sessions(ctx context.Context, key ident.Key, mid int64) ([]Session, error) {
	p := Push{}
	if key != "" {
		p.Keys = []ident.Key{key}
	} else {
		p.Mids = []int64{mid}
	}
	if err := checkNames(&p); err != nil {
		return nil, err
	}
	found, err := s.resolve(ctx, lookup{keys: p.Keys, mids: p.Mids})
	if err != nil {
		return nil, err
	}
	return targets(&p, &PushResult{}, found), nil
}

// kickLosers closes links that lost their key to a login on another comet. It
// waits a moment, so that the kick is stored before the winner hears of its
// luck, but an unreachable Publisher must not keep links out: what is not
// stored then is tried again in the background.
func (s *Service) kickLosers(ctx context.Context, losers []Session) {
	if len(losers) == 0 {
		return
	}
	kicks := make([]kick, len(losers))
	for i, loser := range losers {
		kicks[i] = kick{Session: loser, reason: ReasonReplaced}
	}
	if s.kicks.size() == 0 {
		ctx, cancel := context.WithTimeout(ctx, kickTimeout)
		defer cancel()
		kicks = s.kickNow(ctx, kicks)
	}
	s.metrics.lost("kick", s.kicks.add(kicks))
}

// kickNow publishes kicks of those whose comet lives, and returns those that
// may not be stored.
func (s *Service) kickNow(ctx context.Context, kicks []kick) (left []kick) {
	sessions := make([]Session, len(kicks))
	for i := range kicks {
		sessions[i] = kicks[i].Session
	}
	alive, err := s.observer.alive(ctx, servers(sessions, nil))
	if err != nil {
		return kicks
	}
	living := make([]kick, 0, len(kicks))
	for _, k := range kicks {
		if alive[k.Server] {
			living = append(living, k)
		}
	}
	for i, err := range s.publishKicks(ctx, living) {
		if err != nil {
			left = append(left, living[i])
		}
	}
	return left
}

// publishKicks stores one record a server and reason; errs[i] belongs to
// kicks[i].
func (s *Service) publishKicks(ctx context.Context, kicks []kick) (errs []error) {
	type group struct {
		server ident.Server
		reason string
	}
	var records []*pushpb.Push
	groups := make(map[group]int)
	of := make([]int, len(kicks)) // kicks[i] is in records[of[i]]
	for i, k := range kicks {
		at, ok := groups[group{k.Server, k.reason}]
		if !ok {
			at = len(records)
			groups[group{k.Server, k.reason}] = at
			records = append(records, &pushpb.Push{
				Id: newID(), Kind: pushpb.Kind_KIND_KICK, Server: string(k.Server),
				Reason: k.reason, AcceptedUs: s.cfg.Clock().UnixMicro(),
			})
		}
		records[at].Keys = append(records[at].Keys, string(k.Key))
		records[at].Epochs = append(records[at].Epochs, k.Epoch)
		of[i] = at
	}
	errs = make([]error, len(kicks))
	if len(records) == 0 {
		return errs
	}
	results := s.cfg.Publisher.Publish(ctx, records)
	for i := range kicks {
		errs[i] = results[of[i]]
	}
	s.countKicks(kicks, errs)
	return errs
}

func (s *Service) countKicks(kicks []kick, errs []error) {
	for i, k := range kicks {
		reason := reasonKicked // any word of a caller would be a series of its own
		if k.reason == ReasonReplaced {
			reason = ReasonReplaced
		}
		s.metrics.kicks.WithLabelValues(reason, outcome(errs[i])).Inc()
	}
}

func reasonWord(s string) bool {
	for i := range len(s) {
		if s[i] != '_' && (s[i] < 'a' || s[i] > 'z') {
			return false
		}
	}
	return 0 < len(s) && len(s) <= maxReason
}

// outcome is an error of a push as a metric's label.
func outcome(err error) string {
	switch {
	case err == nil:
		return "stored"
	case errors.Is(err, ErrPush):
		return "bad"
	case errors.Is(err, ErrOverloaded):
		return "overloaded"
	case errors.Is(err, ErrNotStored), errors.Is(err, ErrUnavailable):
		return "not_stored"
	default:
		return "unknown"
	}
}
