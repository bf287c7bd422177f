package comet

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/deploy/fault"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// Kinds of tasks between goroutines and loops.
const (
	taskConnected uint32 = iota + 1 // Ref: *Connected, Arg: the link's number
	taskEvict                       // Arg: Reason
	taskPushes                      // Ref: *pushes
	taskAnswer                      // Ref: []byte in an *answer
	taskDrain                       // Ref: *farewell
	taskMuster                      // Ref: *muster
	taskStrangers                   // Ref: []Held
	taskQuestion                    // Ref: *question
)

// Record is one push with its place in Kafka.
type Record struct {
	LeaderEpoch int32
	Offset      int64
	Push        *pushpb.Push
	// Watch follows the message through the loops; nil if it is in no sampled
	// trace.
	Watch *ledger.Watch
}

// Outcome is what became of one record here.
type Outcome struct {
	Replayed bool     // at or below the partition's mark: ignored
	Links    int      // that it was handed to
	Missing  []string // keys that are not here, or were overtaken: see follow.go
	Drop     Drop
}

// Drop says why a record was not handed to anybody.
type Drop uint8

const (
	DropNone    Drop = iota
	DropClosed       // addressed to another incarnation
	DropExpired      // its time was over
	DropInvalid      // it makes no sense
)

// ErrStopping is returned by Apply when the comet stops.
var ErrStopping = errors.New("comet: stopping")

// delivery is one record's part for one loop.
type delivery struct {
	msg    *room.Msg
	room   ident.Room  // a room push
	ids    []poller.ID // a push or a kick of keys
	keys   []ident.Key // of ids
	all    bool
	cancel bool    // a push to all, named by id
	id     string  // of a push to all
	speed  float64 // links a second, for this loop; 0: as fast as it goes
	kick   Reason
	epochs []uint64 // kick: highest epoch to close
}

// pushes is one loop's part of a batch: one task, however many records.
type pushes struct {
	list  []delivery
	bytes int
}

// Apply applies a batch of one partition's records in order and raises the
// partition's mark when every loop concerned has taken its part. It waits while
// the loops are behind. Batches of one partition are applied one at a time; ctx
// matters only until this one has begun.
func (s *Server) Apply(ctx context.Context, p Partition, records []Record) ([]Outcome, error) {
	m := s.marks.at(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err // the job went while it waited for another's batch
	}
	parts := make([]pushes, len(s.buckets))
	out := make([]Outcome, len(records))
	for i, r := range records {
		if m.passed(r.LeaderEpoch, r.Offset) {
			out[i] = Outcome{Replayed: true, Missing: m.missed.of(r.LeaderEpoch, r.Offset)}
			s.replayed.Add(1)
			continue
		}
		out[i] = s.route(r, parts)
		m.epoch, m.offset = r.LeaderEpoch, r.Offset
		if len(out[i].Missing) > 0 {
			m.missed.add(r.LeaderEpoch, r.Offset, out[i].Missing, time.Now())
		}
	}
	for i := range parts {
		if err := s.hand(i, &parts[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// hand posts one loop's part, waiting for room. The mark has been raised, so
// it gives up only when the comet stops.
func (s *Server) hand(loop int, part *pushes) error {
	if len(part.list) == 0 {
		return nil
	}
	if !s.gates[loop].enter(part.bytes) {
		return ErrStopping
	}
	return s.mustPost(loop, poller.Task{Kind: taskPushes, Ref: part})
}

// route adds one push to the parts of the loops that it concerns.
func (s *Server) route(r Record, parts []pushes) (o Outcome) {
	p, now := r.Push, time.Now()
	switch {
	case p == nil || carries(p.Kind) && p.Op < int32(frame.MinPushOp):
		o.Drop = DropInvalid
	case p.Server != "" && p.Server != string(s.cfg.Server):
		o.Drop = DropClosed
	case p.ExpiresUs != 0 && p.ExpiresUs <= now.UnixMicro():
		o.Drop = DropExpired
	}
	if o.Drop != DropNone {
		s.refusedPushes[o.Drop].Add(1)
		return o
	}
	s.applied.Add(1)
	switch p.Kind {
	case pushpb.Kind_KIND_KEYS, pushpb.Kind_KIND_KICK:
		s.routeKeys(r, parts, &o, now)
	case pushpb.Kind_KIND_ROOM:
		s.routeRoom(r, parts, &o, now)
	case pushpb.Kind_KIND_ALL:
		s.routeAll(r, parts, &o, now)
	case pushpb.Kind_KIND_CANCEL:
		for i := range parts {
			parts[i].add(delivery{cancel: true, id: p.Cancel})
		}
	default:
		o.Drop = DropInvalid
	}
	return o
}

// carries reports whether records of a kind carry a message.
func carries(k pushpb.Kind) bool {
	return k != pushpb.Kind_KIND_KICK && k != pushpb.Kind_KIND_CANCEL
}

// again reports whether the message came before for this target: under the
// pusher's own id, or as one that follows a key, which a job that replaces another
// may store a second time.
func (s *Server) again(p *pushpb.Push, target string, now time.Time) bool {
	if !p.OwnId && !p.Moved || fault.On(fault.NoDedup) {
		return false
	}
	var h maphash.Hash
	h.SetSeed(s.keys.seed)
	h.WriteString(p.Id)
	h.WriteByte(0)
	h.WriteString(target)
	return s.ids.seen(h.Sum64(), now)
}

// message encodes a push, and begins to trace it.
func (s *Server) message(r Record, now time.Time) *room.Msg {
	p := r.Push
	m := room.NewMsg(uint32(p.Op), p.Body, ledger.LaneOf(int32(p.Lane)), p.ExpiresUs)
	m.Collapse = p.Collapse
	m.Watch = r.Watch
	m.Trace = s.traces.Open(p.Id, cmp.Or(p.AcceptedUs, now.UnixMicro()), now)
	return m
}

func (part *pushes) add(d delivery) {
	part.list = append(part.list, d)
	if d.msg != nil {
		part.bytes += len(d.msg.Frame)
		d.msg.Watch.Hold()
	}
}

func (s *Server) routeRoom(r Record, parts []pushes, o *Outcome, now time.Time) {
	p := r.Push
	name := ident.Room(p.Room)
	if s.again(p, p.Room, now) {
		o.Replayed = true
		return
	}
	var msg *room.Msg
	s.census.loopsOf(name, func(loop int, links int32) {
		if msg == nil {
			msg = s.message(r, now)
		}
		parts[loop].add(delivery{msg: msg, room: name})
		o.Links += int(links)
	})
}

func (s *Server) routeAll(r Record, parts []pushes, o *Outcome, now time.Time) {
	p := r.Push
	if s.again(p, "*", now) {
		o.Replayed = true
		return
	}
	msg := s.message(r, now)
	for i := range parts {
		parts[i].add(delivery{msg: msg, all: true, id: p.Id, speed: float64(p.Speed) / float64(len(parts))})
	}
	for _, m := range s.meters {
		o.Links += int(m.live.Load())
	}
}

func (s *Server) routeKeys(r Record, parts []pushes, o *Outcome, now time.Time) {
	p := r.Push
	kick := p.Kind == pushpb.Kind_KIND_KICK
	by := make([]delivery, len(parts))
	for i, name := range p.Keys {
		k := ident.Key(name)
		if kick && i < len(p.Epochs) {
			s.keys.bar(k, p.Epochs[i])
		}
		at, ok := s.keys.reach(k, !kick && !p.Moved)
		switch {
		case !ok:
			o.Missing = append(o.Missing, name)
			continue
		case !kick && s.again(p, name, now):
			o.Replayed = true
			continue
		case !kick && p.Moved && !s.keys.follow(k, at, p.AcceptedUs):
			o.Missing = append(o.Missing, name)
			continue
		}
		d := &by[at.loop]
		d.ids, d.keys = append(d.ids, at.id), append(d.keys, k)
		if i < len(p.Epochs) {
			d.epochs = append(d.epochs, p.Epochs[i])
		}
		o.Links++
	}
	if o.Links == 0 {
		return
	}
	var msg *room.Msg
	if !kick {
		msg = s.message(r, now)
	}
	for loop := range by {
		if d := by[loop]; len(d.ids) > 0 {
			d.msg, d.kick = msg, kickReason(kick, p.Reason)
			parts[loop].add(d)
		}
	}
}

func kickReason(kick bool, name string) Reason {
	switch {
	case !kick:
		return ReasonNone
	case name == ReasonReplaced.String():
		return ReasonReplaced
	}
	return ReasonKicked
}

// OnTask does what others ask of the loop.
func (b *bucket) OnTask(t poller.Task) {
	switch t.Kind {
	case taskConnected:
		b.connected(t.ID, t.Arg, t.Ref.(*Connected))
	case taskEvict:
		b.evict(t.ID, Reason(t.Arg))
	case taskPushes:
		b.deliver(t.Ref.(*pushes))
	case taskAnswer:
		b.answered(t.ID, t.Ref.(*answer))
	case taskQuestion:
		b.answerRoom(t.Ref.(*question))
	case taskDrain:
		b.leave = t.Ref.(*farewell)
	case taskMuster:
		b.answerMuster(t.Ref.(*muster))
	case taskStrangers:
		b.judge(t.Ref.([]Held))
	}
}

func (b *bucket) deliver(part *pushes) {
	defer b.s.gates[b.loop.Index()].leave(part.bytes) // also after a panic
	for i := range part.list {
		d := &part.list[i]
		switch {
		case d.room != "" && fault.On(fault.SilentDrop) && b.rng.IntN(50) == 0:
		case d.room != "":
			if b.rooms.Push(d.room, d.msg) == 0 {
				d.msg.Watch.Release() // its last member has gone
			}
		case d.cancel:
			b.cancel(d.id)
		case d.all:
			b.casts = append(b.casts, &cast{msg: d.msg, id: d.id, end: b.slots, last: b.lastNumber(), speed: d.speed, since: b.now()})
		default:
			b.deliverKeys(d)
		}
	}
}

func (b *bucket) deliverKeys(d *delivery) {
	for i, id := range d.ids {
		r := b.at(id)
		if r == nil || r.state != live || !b.hasKey(r, d.keys[i]) {
			if d.msg != nil {
				b.ended(d.msg, ledger.Closed)
			}
			continue
		}
		switch {
		case d.kick == ReasonNone:
			b.pushTo(r, d.msg)
		case i >= len(d.epochs) || r.epoch <= d.epochs[i]:
			b.end(r, d.kick)
		}
	}
	if d.msg != nil {
		d.msg.Watch.Release()
	}
}

// pushTo sends one push to one link, if the link wants its op.
func (b *bucket) pushTo(r *record, m *room.Msg) {
	if b.sets.At(r.set).Wants(m.Op) {
		b.direct(r, m)
	}
}
