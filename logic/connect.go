package logic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/oortim/oort/proto/ident"
)

// ConnectRequest is one link of a comet that wants to be let in.
type ConnectRequest struct {
	// Link is the comet's own number of the link, never used twice by an
	// incarnation.
	Link uint64
	Credentials
	// Seen is the highest epoch that the comet knows of.
	Seen uint64
}

// Status of a connect.
type Status uint8

// What a comet does next depends on the status alone: let the link in, close
// it for good, or tell it to try again.
const (
	StatusOK Status = iota
	StatusDenied
	StatusInvalid
	StatusUnavailable
)

// String is the status as a metric's label.
func (s Status) String() string {
	switch s {
	case StatusOK:
		return "ok"
	case StatusDenied:
		return "denied"
	case StatusInvalid:
		return "invalid"
	default:
		return "unavailable"
	}
}

// ConnectResult is the answer to a ConnectRequest.
type ConnectResult struct {
	Link   uint64
	Status Status
	// Message says why not, for the client and the log; it holds no secret.
	Message string
	// Identity, with a key in any case, if the status is OK.
	Identity
	Epoch uint64
	// Heartbeat is the interval promised to the client; 0: the comet's own.
	Heartbeat time.Duration
	// RetryMS is advice when the status is not OK.
	RetryMS uint32
}

// Connect lets the links of one comet in, and answers for each, in order. It
// costs one check of the batch's credentials and one round trip to the store, or
// five where Config.Devices limits the devices of a user.
//
// A link that loses its key to one of these is closed: on another comet by a
// kick that is published here, on the same comet by the comet itself.
func (s *Service) Connect(ctx context.Context, server ident.Server, reqs []ConnectRequest) []ConnectResult {
	results := s.authenticate(ctx, reqs)
	logins := make([]Login, 0, len(reqs))
	at := make([]int, 0, len(reqs)) // logins[i] is of reqs[at[i]]
	for i := range results {
		if r := &results[i]; r.Status == StatusOK {
			logins = append(logins, Login{
				Key: r.Key, Mid: r.Mid, Server: server, Link: r.Link, Platform: r.Platform, Seen: reqs[i].Seen,
			})
			at = append(at, i)
		}
	}
	if len(logins) > 0 {
		own := make([]*ConnectResult, len(logins))
		for i := range own {
			own[i] = &results[at[i]]
		}
		s.login(ctx, server, logins, own)
	}
	for i := range results {
		s.metrics.connects.WithLabelValues(results[i].Status.String()).Inc()
	}
	return results
}

// login stores logins, whose results are own, and closes who lost by them.
func (s *Service) login(ctx context.Context, server ident.Server, logins []Login, own []*ConnectResult) {
	s.raise(ctx, logins)
	losers := make([]Session, 0, 4)
	answers := s.cfg.Sessions.Connect(ctx, logins)
	s.forgetUnsure(ctx, logins, answers)
	for i, answer := range answers {
		s.settle(own[i], answer)
		if answer.Err == nil && answer.Loser.Present() && answer.Loser.Server != server {
			losers = append(losers, answer.Loser)
		}
	}
	losers = append(losers, s.reduce(ctx, server, logins, own)...)
	s.kickLosers(ctx, losers)
}

// forgetUnsure has the links forgotten whose login may be stored though the store
// did not say so: a Redis that was paused carries out, when it goes on, what
// has been given up. Such a link is refused and knows no session to give back,
// so nobody else would: the key would be taken from whoever has it, and what is
// pushed to it would go to a link that is not there. The tombstone keeps out a
// login that is carried out later still.
//
// Where ctx is over the comet has not heard the answer and repeats the login of
// the same link, at another logic perhaps, which this must not undo.
func (s *Service) forgetUnsure(ctx context.Context, logins []Login, answers []LoginResult) {
	if ctx.Err() != nil {
		return
	}
	var unsure []Session
	for i, answer := range answers {
		if answer.Err != nil {
			l := logins[i]
			unsure = append(unsure, Session{Key: l.Key, Mid: l.Mid, Server: l.Server, Link: l.Link})
		}
	}
	s.metrics.lost("disconnect", s.forget.add(unsure))
}

// authenticate fills in who each link is, or why it is refused.
func (s *Service) authenticate(ctx context.Context, reqs []ConnectRequest) []ConnectResult {
	creds := make([]Credentials, len(reqs))
	for i := range reqs {
		creds[i] = reqs[i].Credentials
	}
	results := make([]ConnectResult, len(reqs))
	for i, v := range s.cfg.Auth.Authenticate(ctx, creds) {
		r := &results[i]
		r.Link = reqs[i].Link
		if v.Err == nil {
			v.Err = s.admit(&v.Identity)
		}
		if v.Err != nil {
			r.refuse(v.Err, v.RetryMS)
			continue
		}
		r.Identity, r.Heartbeat = v.Identity, s.cfg.Heartbeat
	}
	return results
}

// admit checks an identity against the limits and gives it a key.
func (s *Service) admit(id *Identity) error {
	if n := len(id.Accepts); n > s.cfg.Limits.Accepts {
		return fmt.Errorf("%w: %d accepts, limit %d", ErrMalformed, n, s.cfg.Limits.Accepts)
	}
	if id.Key == "" {
		id.Key = ident.Key(rand.Text())
		return nil
	}
	if _, err := ident.ParseKey(string(id.Key)); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// settle turns the store's answer into the link's.
func (s *Service) settle(r *ConnectResult, answer LoginResult) {
	switch {
	case answer.Err != nil:
		s.cfg.Log.Debug("logic: session store failed", "err", answer.Err)
		r.refuse(fmt.Errorf("%w: sessions", ErrUnavailable), 0)
	case answer.Refused:
		r.refuse(fmt.Errorf("%w: the link is gone", ErrDenied), 0)
	default:
		r.Epoch = answer.Epoch
	}
}

// refuse turns a result into a refusal; nothing of an identity stays in it.
func (r *ConnectResult) refuse(err error, retryMS uint32) {
	status := StatusUnavailable
	switch {
	case errors.Is(err, ErrDenied):
		status = StatusDenied
	case errors.Is(err, ErrMalformed):
		status = StatusInvalid
	}
	*r = ConnectResult{Link: r.Link, Status: status, Message: err.Error(), RetryMS: retryMS}
}

// Disconnect forgets links of one comet; only Key, Link, Mid and Epoch of the
// sessions are read. It is done when it returns, unless the store does not
// answer: then it is tried again in the background, and a session that is left
// over does no harm, for its comet says that the link is gone.
func (s *Service) Disconnect(ctx context.Context, server ident.Server, sessions []Session) {
	own := make([]Session, 0, len(sessions))
	for _, session := range sessions {
		if session.Key == "" {
			continue // it never had a session
		}
		session.Server = server
		own = append(own, session)
	}
	if len(own) == 0 {
		return
	}
	s.metrics.disconnects.Add(float64(len(own)))
	s.metrics.lost("disconnect", s.forget.add(s.forgetNow(ctx, own)))
}

// forgetNow removes sessions and returns those for which the store failed.
func (s *Service) forgetNow(ctx context.Context, sessions []Session) (left []Session) {
	for i, err := range s.cfg.Sessions.Disconnect(ctx, sessions) {
		if err != nil {
			left = append(left, sessions[i])
		}
	}
	return left
}
