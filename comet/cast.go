package comet

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/room"
)

// cast is a push to all that is under way on one loop: it walks the slots, so
// many a turn, at a speed.
type cast struct {
	msg   *room.Msg
	id    string // of the push
	off   bool   // it was called off
	next  uint32 // slot
	end   uint32 // the slots that were in use when it began
	last  uint64 // number of the last link then: later ones are not concerned
	speed float64
	since time.Time
}

const (
	// castSlice is how long broadcasts take of a turn, so that one to a million
	// does not keep the loop from everything else.
	castSlice = 500 * time.Microsecond
	// castLook is how many slots lie between two looks at the clock.
	castLook = 32
	// castBeat is how often a broadcast with a speed goes on.
	castBeat = 10 * time.Millisecond
)

// broadcast goes on with all casts and says how soon it wants to again. A later
// one does not overtake an earlier one, so that each link gets them in order.
func (b *bucket) broadcast(now time.Time) (wait time.Duration) {
	wait = -1
	if len(b.casts) == 0 && b.leave == nil {
		return wait
	}
	ahead, end := ^uint32(0), time.Now().Add(castSlice)
	keep := b.casts[:0]
	for _, c := range b.casts {
		pause := b.castOn(c, ahead, now, end)
		if c.next < c.end {
			keep = append(keep, c)
			ahead = c.next
			wait = sooner(wait, pause)
			continue
		}
		c.msg.Watch.Release()
	}
	clear(b.casts[len(keep):])
	b.casts = keep
	if b.leave != nil {
		wait = sooner(wait, b.sayFarewell(now))
	}
	return wait
}

func sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// void says why nobody is to get the message any more, if so.
func (c *cast) void(now time.Time) (why ledger.Outcome, void bool) {
	switch {
	case c.off:
		return ledger.Canceled, true
	case c.msg.Expired(now.UnixMicro()):
		return ledger.Expired, true
	}
	return 0, false
}

// cancel calls off what has not been sent yet of the pushes to all with this id.
func (b *bucket) cancel(id string) {
	for _, c := range b.casts {
		c.off = c.off || c.id == id
	}
}

// castOn goes on with one cast until end, not beyond slot ahead, and says when it
// could go on again. What is void is not sent any more, and counted at once.
func (b *bucket) castOn(c *cast, ahead uint32, now, end time.Time) (pause time.Duration) {
	why, void := c.void(now)
	to := min(c.end, ahead)
	if c.speed > 0 && !void {
		due := now.Sub(c.since).Seconds()*c.speed + 1
		to, pause = uint32(min(float64(to), due)), castBeat
	}
	for n := 1; c.next < to; n++ {
		if n%castLook == 0 && !time.Now().Before(end) {
			return 0
		}
		r := b.links.At(c.next)
		c.next++ // first, so that a panic comes once
		switch {
		case r.state != live || r.number > c.last:
		case !b.sets.At(r.set).Wants(c.msg.Op):
		case void:
			b.ended(c.msg, why)
			if why == ledger.Expired {
				b.tellLost(r, c.msg)
			}
		default:
			b.direct(r, c.msg)
		}
	}
	return pause
}

// tellLost tells a link of one push that it will not get.
func (b *bucket) tellLost(r *record, m *room.Msg) {
	var lost ledger.Counts
	lost[m.Lane] = 1
	b.tellGap(r, "", &lost)
}

// farewellSlice is how many links are told to go in one turn.
const farewellSlice = 1024

// farewell empties a comet: each link is told to go, evenly over a window.
type farewell struct {
	since  time.Time
	window time.Duration
	end    uint32
	next   uint32
	fixed  bool
}

// sayFarewell tells the links whose turn it is.
func (b *bucket) sayFarewell(now time.Time) (wait time.Duration) {
	f := b.leave
	if !f.fixed {
		f.end, f.fixed = b.slots, true
	}
	due := f.end
	if gone := now.Sub(f.since); gone < f.window {
		due = uint32(float64(f.end) * gone.Seconds() / f.window.Seconds())
	}
	to := min(due, f.next+farewellSlice)
	for ; f.next < to; f.next++ {
		if r := b.links.At(f.next); r.state != free && r.state != leaving {
			b.end(r, ReasonDraining)
		}
	}
	switch {
	case f.next < due:
		return 0
	case f.next < f.end:
		return castBeat
	}
	b.leave = nil
	return -1
}
