package comet

import (
	"time"

	"github.com/oortim/oort/comet/room"
)

// cast is a push to all that is under way on one loop: it walks the slots, so
// many a turn, at a speed.
type cast struct {
	msg   *room.Msg
	next  uint32 // slot
	end   uint32 // the slots that were in use when it began
	last  uint64 // number of the last link then: later ones are not concerned
	speed float64
	since time.Time
}

const (
	// castSlice is how many slots one turn walks, so that a broadcast to a
	// million does not keep the loop from everything else.
	castSlice = 1024
	// castBeat is how often a broadcast with a speed goes on.
	castBeat = 10 * time.Millisecond
)

// broadcast goes on with all casts and says how soon it wants to again. A later
// one does not overtake an earlier one, so that each link gets them in order.
func (b *bucket) broadcast(now time.Time) (wait time.Duration) {
	wait = -1
	ahead := ^uint32(0)
	keep := b.casts[:0]
	for _, c := range b.casts {
		b.castOn(c, ahead, now)
		if c.next < c.end {
			keep = append(keep, c)
			ahead = c.next
			wait = sooner(wait, c.pause())
		}
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

func (c *cast) pause() time.Duration {
	if c.speed > 0 {
		return castBeat
	}
	return 0
}

func (b *bucket) castOn(c *cast, ahead uint32, now time.Time) {
	to := min(c.end, ahead, c.next+castSlice)
	if c.speed > 0 {
		due := now.Sub(c.since).Seconds()*c.speed + 1
		to = uint32(min(float64(to), due))
	}
	expired := c.msg.Expires != 0 && c.msg.Expires <= now.UnixMicro()
	for c.next < to {
		r := b.links.At(c.next)
		c.next++ // first, so that a panic comes once
		switch {
		case r.state != live || r.number > c.last:
		case !b.sets.At(r.set).Wants(c.msg.Op):
		case expired:
			b.m.dropped[dropExpired].Add(1)
		default:
			b.direct(r, c.msg)
		}
	}
}

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
	to := min(due, f.next+castSlice)
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
