package comet

import (
	"sort"
	"time"

	"github.com/oortim/oort/proto/ident"
)

// A push that did not find its key on another comet follows it here: the job
// stores it once more, marked as moved. The key's link here is another one than
// the push was made for, and pushes that were made later may have been addressed
// to it already. Order within the direct pushes of a link is promised, so what
// comes behind one of those is refused, and the job counts it as moved. All
// records for the keys of one comet come in one partition, so what was applied
// before is known exactly.

// reach is find for a push: mark says that the link is being addressed by one
// that has not moved. The place is as it was before.
func (d *directory) reach(k ident.Key, mark bool) (place, bool) {
	s, h := d.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.places[h]
	if ok && mark && !p.direct {
		p.direct = true
		s.places[h] = p
		p.direct = false
	}
	return p, ok
}

// follow reports whether a push that has moved may go to the link of k at p: none
// that was made later has gone there before.
func (d *directory) follow(k ident.Key, p place, accepted int64) bool {
	if p.direct {
		return false
	}
	s, h := d.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tails.advance(h^p.epoch, accepted, time.Now())
}

// tails remember for a while when the last push that followed a key to its link
// had been accepted: two may come from two comets, in any order. Two generations,
// like bars.
type tails struct {
	now, old map[uint64]int64
	turned   time.Time
}

// advance reports whether accepted is not before the last of h, and makes it the
// last.
func (t *tails) advance(h uint64, accepted int64, at time.Time) bool {
	if accepted < max(t.now[h], t.old[h]) {
		return false
	}
	if t.now == nil || len(t.now) >= barMost || at.Sub(t.turned) > rememberFor {
		t.old, t.now, t.turned = t.now, map[uint64]int64{}, at
	}
	t.now[h] = accepted
	return true
}

// missedMost bounds what a partition remembers of missing keys.
const missedMost = 16384

// missed remembers which keys a partition's last records did not find. A job that
// died before it could send a push after them is followed by one that reads the
// record again: it is a replay then, and answered with the same keys. Keys that
// have gone since must not be among them, for they got it.
type missed struct {
	list []miss // in the order of the records
}

type miss struct {
	epoch  int32
	offset int64
	keys   []string
	at     time.Time
}

func (m *missed) add(epoch int32, offset int64, keys []string, at time.Time) {
	old := 0
	for old < len(m.list) && (len(m.list)-old >= missedMost || at.Sub(m.list[old].at) > rememberFor) {
		old++
	}
	m.list = append(m.list[old:], miss{epoch, offset, keys, at})
}

// of are the keys that a record did not find.
func (m *missed) of(epoch int32, offset int64) []string {
	i := sort.Search(len(m.list), func(i int) bool {
		return m.list[i].epoch > epoch || m.list[i].epoch == epoch && m.list[i].offset >= offset
	})
	if i < len(m.list) && m.list[i].epoch == epoch && m.list[i].offset == offset {
		return m.list[i].keys
	}
	return nil
}
