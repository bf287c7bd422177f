package room

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/ident"
)

// Ledger is one room's part of Stats, from when it was first kept.
type Ledger struct {
	Since  time.Time
	Pushed ledger.Counts // messages
	Handed ledger.Counts // messages × links that became the owner's to count
	Ends   ledger.Sums   // messages × links
}

// Ledger returns the ledger of a room; false if the room has no members here. It
// is kept from the first push, or from when the room has many members, or, if
// there are too many rooms of few, from the first call of Ledger.
func (t *Table) Ledger(name ident.Room) (Ledger, bool) {
	index, ok := t.byName[name]
	if !ok {
		return Ledger{}, false
	}
	return *t.keepLedger(t.rooms[index]), true
}

// freeLedgers is how many ledgers a loop keeps for rooms of few members that
// nobody asked about: for a million such rooms they would weigh more than the
// links.
const freeLedgers = 4096

func (t *Table) keepLedger(r *room) *Ledger {
	if r.ledger == nil {
		t.ledgers++
		r.ledger = &Ledger{Since: t.now()}
	}
	return r.ledger
}

// end counts n messages × links of one lane.
func (t *Table) end(r *room, o ledger.Outcome, lane uint8, n uint64) {
	t.stats.Ends[o][lane] += n
	if r.ledger != nil {
		r.ledger.Ends[o][lane] += n
	}
}

// ends counts messages for n links.
func (t *Table) ends(r *room, o ledger.Outcome, msgs *ledger.Counts, n uint64) {
	t.stats.Ends[o].Add(msgs, n)
	if r.ledger != nil {
		r.ledger.Ends[o].Add(msgs, n)
	}
}

// handed counts what became the owner's to count.
func (t *Table) handed(r *room, msgs []*Msg) {
	if r.ledger == nil {
		return
	}
	for _, m := range msgs {
		r.ledger.Handed[m.Lane]++
	}
}
