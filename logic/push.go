package logic

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// Push is a message and whom it is for: exactly one of Keys, Mids, Room and All.
type Push struct {
	// ID is the pusher's own; empty: logic gives one.
	ID   string
	Keys []ident.Key
	Mids []int64
	Room ident.Room
	All  bool

	// Op that links accept or not; at least frame.MinPushOp.
	Op   int32
	Body []byte
	Lane pushpb.Lane
	// TTL after which nobody is served any more. Zero means Config.PushTTL,
	// negative means for ever.
	TTL time.Duration
	// Speed of a push to all, in links a second over the cluster; 0: as fast
	// as it goes.
	Speed int64
	// Collapse: of a room's pushes that wait with the same word, only the
	// newest is kept.
	Collapse string
}

// PushResult is what became of a Push.
type PushResult struct {
	ID string
	// Accepted counts what is stored: keys, or 1 for a room or all.
	Accepted int
	// AbsentKeys and AbsentMids were not online.
	AbsentKeys []ident.Key
	AbsentMids []int64
	// NotStored and Unknown are keys whose record failed.
	NotStored, Unknown []ident.Key
	// Err is nil if everything that is not absent is stored. It wraps ErrPush
	// or one of the limits if the push is bad, ErrUnavailable or ErrNotStored
	// if surely nothing is stored, ErrOverloaded among these; anything else
	// means that some of it is or may be stored.
	Err error
}

// errPartly: a part of the push is stored, another is not.
var errPartly = errors.New("push stored for some of its targets only")

// record is one Kafka record of a push.
type record struct {
	push   int // index of its Push
	record *pushpb.Push
}

// Push accepts pushes, stores them all with one call of the Publisher, and
// answers for each, in order. Keys and mids of all of them are resolved by one
// read. The bodies must not change until it returns.
func (s *Service) Push(ctx context.Context, pushes []Push) []PushResult {
	results := make([]PushResult, len(pushes))
	for i := range pushes {
		results[i].ID, results[i].Err = s.check(&pushes[i])
	}
	found, err := s.resolve(ctx, wanted(pushes, results))
	var records []record
	for i := range pushes {
		if results[i].Err != nil {
			continue
		}
		if err != nil && pushes[i].direct() {
			results[i].Err = err
			continue
		}
		for _, rec := range s.records(&pushes[i], &results[i], found) {
			records = append(records, record{push: i, record: rec})
		}
	}
	s.publish(ctx, records, results)
	for i := range results {
		s.metrics.pushes.WithLabelValues(pushes[i].kind(), outcome(results[i].Err)).Inc()
	}
	return results
}

// publish stores records and books the answers.
func (s *Service) publish(ctx context.Context, records []record, results []PushResult) {
	if len(records) == 0 {
		return
	}
	batch := make([]*pushpb.Push, len(records))
	for i, r := range records {
		batch[i] = r.record
	}
	began := s.cfg.Clock()
	for i, err := range s.cfg.Publisher.Publish(ctx, batch) {
		results[records[i].push].book(batch[i], err)
	}
	s.metrics.stored.Observe(s.cfg.Clock().Sub(began).Seconds())
}

// book adds the answer for one record to a push's result.
func (r *PushResult) book(rec *pushpb.Push, err error) {
	n := max(1, len(rec.Keys))
	switch {
	case err == nil:
		if r.Err != nil {
			r.Err = errors.Join(errPartly, withoutClass(r.Err))
		}
		r.Accepted += n
		return
	case errors.Is(err, ErrNotStored):
		r.NotStored = appendKeys(r.NotStored, rec.Keys)
		if r.Accepted > 0 {
			err = errors.Join(errPartly, withoutClass(err))
		}
	default:
		r.Unknown = appendKeys(r.Unknown, rec.Keys)
	}
	if r.Err == nil || errors.Is(r.Err, ErrNotStored) {
		r.Err = err
	}
}

// withoutClass keeps an error's text and not what it wraps: a push that is
// partly stored must not look like one that surely is not.
func withoutClass(err error) error { return errors.New(err.Error()) }

func appendKeys(keys []ident.Key, more []string) []ident.Key {
	for _, key := range more {
		keys = append(keys, ident.Key(key))
	}
	return keys
}

// records makes a push's records: one for a room or all, one a server for
// keys, none if nobody is online.
func (s *Service) records(p *Push, result *PushResult, found online) []*pushpb.Push {
	if !p.direct() {
		rec := s.record(p, result.ID, pushpb.Kind_KIND_ROOM)
		rec.Room = string(p.Room)
		if p.All {
			rec.Kind, rec.Speed = pushpb.Kind_KIND_ALL, p.Speed
		}
		return []*pushpb.Push{rec}
	}
	var records []*pushpb.Push
	byServer := make(map[ident.Server]*pushpb.Push)
	for _, session := range targets(p, result, found) {
		rec := byServer[session.Server]
		if rec == nil {
			rec = s.record(p, result.ID, pushpb.Kind_KIND_KEYS)
			rec.Server = string(session.Server)
			byServer[session.Server] = rec
			records = append(records, rec)
		}
		rec.Keys = append(rec.Keys, string(session.Key))
	}
	return records
}

// record fills in what records of all kinds have.
func (s *Service) record(p *Push, id string, kind pushpb.Kind) *pushpb.Push {
	now := s.cfg.Clock()
	ttl := p.TTL
	if ttl == 0 {
		ttl = s.cfg.PushTTL
	}
	rec := &pushpb.Push{
		Id: id, Kind: kind, Op: p.Op, Body: p.Body, Lane: p.Lane,
		AcceptedUs: now.UnixMicro(), Collapse: p.Collapse, OwnId: p.ID != "",
	}
	if ttl > 0 {
		rec.ExpiresUs = now.Add(ttl).UnixMicro()
	}
	return rec
}

// direct reports whether the push is for keys or mids.
func (p *Push) direct() bool { return len(p.Keys) > 0 || len(p.Mids) > 0 }

// kind is the push's label in metrics.
func (p *Push) kind() string {
	switch {
	case len(p.Keys) > 0:
		return "keys"
	case len(p.Mids) > 0:
		return "mids"
	case p.Room != "":
		return "room"
	default:
		return "all"
	}
}

// newID returns a message id: unique, and sorted by time to the millisecond.
func newID() string { return ulid.Make().String() }
