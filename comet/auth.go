package comet

import (
	"slices"

	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
)

// ask sends the auth frame's body to logic. Until the answer the link is not
// read.
func (b *bucket) ask(r *record, f *frame.Frame) {
	if b.auths >= b.s.cfg.Limits.Auths {
		b.end(r, ReasonOverloaded)
		return
	}
	r.state, r.auth = asking, f.Seq
	b.auths++
	b.asking[r.number] = struct{}{}
	b.loop.Pause(r.id)
	b.s.pump.connect(request{
		loop: b.loop, id: r.id,
		Connect: Connect{
			Link:      r.number,
			Body:      slices.Clone(f.Body),
			RemoteIP:  r.addr().String(),
			Origin:    b.origins[r.id.Slot],
			SeenEpoch: b.s.seenEpoch.Load(),
		},
	})
	delete(b.origins, r.id.Slot)
}

// connected takes logic's answer. A link that closed meanwhile is forgotten
// everywhere: its session is given back.
func (b *bucket) connected(id poller.ID, number uint64, c *Connected) {
	b.auths--
	delete(b.asking, number)
	raise(&b.s.seenEpoch, c.Epoch)
	r := b.at(id)
	if r == nil || r.state != asking {
		if c.Status == StatusOK {
			b.s.pump.disconnect(Disconnect{Link: number, Key: c.Key, Mid: c.Mid, Epoch: c.Epoch})
		}
		return
	}
	b.loop.Resume(id)
	if c.Status != StatusOK {
		b.denied(r, c)
		return
	}
	b.welcome(r, c)
}

func (b *bucket) denied(r *record, c *Connected) {
	why := ReasonUnavailable
	switch c.Status {
	case StatusDenied:
		why = ReasonAuthDenied
	case StatusInvalid:
		why = ReasonBadAuth
	}
	b.m.refused[c.Status].Add(1)
	b.s.cfg.Log.Debug("auth refused", "reason", why.String(), "source", r.addr(), "message", c.Message)
	retry := b.retry(why)
	if ms := int(c.Retry.Milliseconds()); ms > 0 && retry >= 0 {
		retry = ms + b.rng.IntN(ms+1)
	}
	b.endWith(r, why, why.closeCode(), retry)
}

// welcome makes the link live: key, room, reply, in this order, so that a push
// which follows the reply finds it. The room's blocks are written at the end of
// a turn, so the reply comes before them.
func (b *bucket) welcome(r *record, c *Connected) {
	b.fresh--
	r.state, r.mid, r.epoch = live, c.Mid, c.Epoch
	b.setKey(r, c.Key)
	b.m.live.Add(1)
	b.digest(r)
	b.surge.letIn++
	r.heard = b.tick()
	r.heartbeat = ticks(b.s.cfg.Times.Heartbeat)
	if c.Heartbeat > 0 {
		r.heartbeat = ticks(c.Heartbeat * 3 / 2)
	}
	accepts := room.Everything
	if !c.AcceptsAll {
		accepts = room.AcceptsOf(c.Accepts)
	}
	r.set, r.may = b.sets.Intern(accepts), b.permits.intern(c.Rooms)
	if !b.enter(r, c) {
		return
	}
	if c.Room != "" {
		if why := b.joinRoom(r, c.Room); why != ReasonNone {
			b.end(r, why)
			return
		}
	}
	b.rearm(r)
	b.answer(r, frame.OpAuthReply, r.auth, nil)
	r.auth = b.named.number(c.Platform)
}

// enter puts the key into the process directory; the earlier login of the key
// is closed, whichever that is.
func (b *bucket) enter(r *record, c *Connected) bool {
	me := place{loop: uint32(b.loop.Index()), id: r.id, epoch: c.Epoch}
	loser, had := b.s.keys.put(c.Key, me)
	switch {
	case !had:
		return true
	case loser == me:
		b.end(r, ReasonReplaced)
		return false
	case loser.loop == me.loop:
		b.evict(loser.id, ReasonReplaced)
	default:
		b.s.post(int(loser.loop), poller.Task{Kind: taskEvict, ID: loser.id, Arg: uint64(ReasonReplaced)})
	}
	return true
}

// evict ends another link for why.
func (b *bucket) evict(id poller.ID, why Reason) {
	if r := b.at(id); r != nil {
		b.end(r, why)
	}
}
