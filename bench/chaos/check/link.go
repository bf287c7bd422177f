package check

import (
	"slices"
	"strings"
	"time"

	"github.com/oortim/oort/bench/chaos/history"
)

// leaseFor is how long after a comet's trouble its keys may be called absent: a
// lease, and until it is renewed.
const leaseFor = 30 * time.Second

// healsIn is how long it may take, when nobody is in trouble, until the sessions
// that Redis has forgotten are there again: two renewals that show it, the
// mending, and as much again for busy machines.
const healsIn = 15 * time.Second

// stream is where order is promised to one link: a room, or ("") what is
// addressed to it directly.
type stream struct {
	pusher int
	room   string
}

// linkCheck is the judgement on one link under way.
type linkCheck struct {
	*checker
	n    int // index of the link
	link *history.Link
	last map[stream]uint32 // highest stored push seen
	gaps []history.Gap     // with what they have left to explain
}

func (c *checker) link(n int) {
	l := &c.run.Links[n]
	k := &linkCheck{checker: c, n: n, link: l, last: map[stream]uint32{}, gaps: slices.Clone(l.Gaps)}
	for _, r := range l.Got {
		k.got(r)
	}
	k.owedDirect()
	k.owedAll()
	for i := range l.Stays {
		k.owedRoom(&l.Stays[i])
	}
}

// saw reports whether the link has seen a push, after got has looked at all.
func (k *linkCheck) saw(id uint32) bool { return k.sight[id].by == k.n+1 }

// got looks at one message as it came.
func (k *linkCheck) got(r history.Receipt) {
	k.verdict.Seen++
	if int(r.Push) >= len(k.run.Pushes) {
		k.broken(Stranger, None, k.n, "saw push %d, which nobody made", r.Push)
		return
	}
	p := &k.run.Pushes[r.Push]
	if k.saw(r.Push) {
		k.broken(Double, int(r.Push), k.n, "seen at %v and at %v", round(k.sight[r.Push].at), round(r.At))
		return
	}
	k.sight[r.Push] = sight{k.n + 1, r.At}
	if !k.isFor(p, r.At) {
		k.broken(Stranger, int(r.Push), k.n, "seen at %v by a link that it is not for", round(r.At))
	}
	switch p.Answer {
	case history.NotStored:
		k.broken(Ghost, int(r.Push), k.n, "answered as surely not stored, and seen at %v", round(r.At))
	case history.Unknown:
		if !k.known[r.Push] {
			k.known[r.Push] = true
			k.verdict.UnknownSeen++
		}
	case history.Stored:
		k.inOrder(p, r)
	}
}

func (k *linkCheck) inOrder(p *history.Push, r history.Receipt) {
	if p.Kind == history.All {
		return
	}
	s := streamOf(p)
	if last, any := k.last[s]; any && p.ID < last {
		k.broken(Order, int(p.ID), k.n, "seen at %v, after push %d of the same pusher, which was made later", round(r.At), last)
		return
	}
	k.last[s] = p.ID
}

func streamOf(p *history.Push) stream {
	if p.Kind == history.Room {
		return stream{p.Pusher, p.Room}
	}
	return stream{p.Pusher, ""}
}

// isFor reports whether the link may see p at that time.
func (k *linkCheck) isFor(p *history.Push, at time.Duration) bool {
	switch p.Kind {
	case history.Keys:
		return slices.Contains(p.Keys, k.link.Key)
	case history.Mids:
		return slices.Contains(p.Mids, k.link.Mid)
	case history.All:
		return true
	}
	for _, s := range k.link.Stays {
		if s.Room == p.Room && at >= s.Asked && at <= s.Left {
			return true
		}
	}
	return false
}

// owedDirect looks for pushes to the link's key and mid.
func (k *linkCheck) owedDirect() {
	for _, id := range k.index.keys[k.link.Key] {
		k.direct(id, func(p *history.Push) bool { return slices.Contains(p.Absent, k.link.Key) })
	}
	for _, id := range k.index.mids[k.link.Mid] {
		k.direct(id, k.midAbsent)
	}
}

// midAbsent reports whether an answer to a push by mid says that the link was not
// found: its mid was not, or, if there is an excuse, all the keys that were found
// are those that saw it, or for which a job dropped it. Of a mid's keys an answer
// says only how many it found.
func (k *linkCheck) midAbsent(p *history.Push) bool {
	if slices.Contains(p.AbsentMids, k.link.Mid) {
		return true
	}
	return !k.saw(p.ID) && k.excused(p) && k.seers[p.ID]+k.droppedFor(p) >= p.Accepted
}

// droppedFor counts the keys other than the link's for which a job dropped p, and
// which did not see it all the same.
func (k *linkCheck) droppedFor(p *history.Push) int {
	keys := map[string]bool{k.link.Key: false}
	for _, d := range k.ledger.drops[p.Message] {
		for _, key := range d.Keys {
			if _, known := keys[key]; !known {
				keys[key] = !k.keySaw(key, p.ID)
			}
		}
	}
	n := 0
	for _, unseen := range keys {
		if unseen {
			n++
		}
	}
	return n
}

func (k *linkCheck) keySaw(key string, id uint32) bool {
	return slices.ContainsFunc(k.run.Links, func(l history.Link) bool {
		return l.Key == key && slices.ContainsFunc(l.Got, func(r history.Receipt) bool { return r.Push == id })
	})
}

func (k *linkCheck) direct(id uint32, absent func(*history.Push) bool) {
	p := &k.run.Pushes[id]
	if p.Answer != history.Stored || p.Begun < k.link.Joined {
		return
	}
	last, any := k.last[streamOf(p)]
	if !k.link.Stayed && !(any && id < last) {
		return
	}
	if !absent(p) {
		k.owe(p)
		return
	}
	// Who saw it and is called absent was there for an earlier try.
	if k.saw(id) && len(p.Tries) > 1 || k.excused(p) {
		k.verdict.Excused++
		return
	}
	k.broken(Absent, int(id), k.n, "called absent, though the link had joined %v before", round(p.Begun-k.link.Joined))
}

// excused reports whether the link's absence has a cause: its comet was in
// trouble, or Redis forgot and what it forgot cannot have been mended yet.
func (k *linkCheck) excused(p *history.Push) bool {
	for _, e := range k.run.Events {
		if e.What == history.Wipe && e.To >= k.link.Stays[0].Asked && e.From <= p.Ended && k.calm(e.To, p.Begun) < healsIn {
			return true
		}
	}
	return k.disturbed(k.link.Comet, p.Begun-leaseFor, p.Ended)
}

// calm is how much of a time nothing was done to those who mend a session of the
// link: its comet, Redis, and any logic, since the comet asks whichever it has.
func (k *linkCheck) calm(from, to time.Duration) time.Duration {
	sum, since := time.Duration(0), from
	for _, e := range k.events {
		if e.Part != k.link.Comet && e.Part != "redis" && !strings.HasPrefix(e.Part, "logic-") || e.To <= since {
			continue
		}
		if e.From >= to {
			break
		}
		sum += max(0, e.From-since)
		since = e.To
	}
	return sum + max(0, to-since)
}

func (k *linkCheck) owedAll() {
	if !k.link.Stayed {
		return
	}
	for _, id := range k.index.all {
		if p := &k.run.Pushes[id]; p.Answer == history.Stored && p.Begun >= k.link.Joined {
			k.owe(p)
		}
	}
}

// owedRoom looks for pushes to a room while the link was in it.
func (k *linkCheck) owedRoom(s *history.Stay) {
	last := k.lastIn(s)
	for _, id := range k.index.rooms[s.Room] {
		p := &k.run.Pushes[id]
		if p.Answer != history.Stored || p.Begun < s.Joined || p.Begun > s.Leaving {
			continue
		}
		if until, any := last[p.Pusher]; s.Stayed || any && id < until {
			k.owe(p)
		}
	}
}

// lastIn finds the highest stored push of each pusher that was seen in one stay.
func (k *linkCheck) lastIn(s *history.Stay) map[int]uint32 {
	last := map[int]uint32{}
	for _, r := range k.link.Got {
		if int(r.Push) >= len(k.run.Pushes) || r.At < s.Asked || r.At > s.Left {
			continue
		}
		if p := &k.run.Pushes[r.Push]; p.Kind == history.Room && p.Room == s.Room && p.Answer == history.Stored {
			last[p.Pusher] = max(last[p.Pusher], r.Push)
		}
	}
	return last
}

// owe notes that the link had to see p.
func (k *linkCheck) owe(p *history.Push) {
	k.verdict.Owed++
	if k.saw(p.ID) {
		return
	}
	k.missing = append(k.missing, missed{int(p.ID), k.n, k.marked(p)})
}

// marked claims a place in a gap marker of p's room, which came when p can have
// been left out.
func (k *linkCheck) marked(p *history.Push) bool {
	for i := range k.gaps {
		if g := &k.gaps[i]; p.Kind == history.Room && g.Room == p.Room && g.Skipped > 0 && p.Begun <= g.At && g.At <= p.Begun+heldFor {
			g.Skipped--
			return true
		}
	}
	return false
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
