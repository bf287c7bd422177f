// Package check judges a history against what oort promises (docs/design.md,
// section 8). It is pure: the same history gets the same verdict.
//
// # The rules
//
//	missing   A push that was answered 200 and begun after a link's join was
//	          answered is seen by that link, or a drop with a reason explains it.
//	double    No link sees a push twice, however often it was tried or delivered.
//	order     Stored pushes of one pusher are seen in their order, within a room
//	          and within the direct pushes of a link.
//	ghost     What was answered 503 is never seen by anybody.
//	stranger  A link sees only what is for it: its key, its mid, the room that it
//	          is in, or all.
//	absent    No key or mid is called absent whose link's join was answered before,
//	          unless its comet was in trouble, or Redis has forgotten it just now.
//	late      An answer comes within its deadline, from a logic that is well.
//
// # Who is owed a push
//
// A link that stayed to the end of the run is owed all of it. One that left may
// have left before the push reached it, and nobody can know; but order helps: if
// it has seen a later stored push of the same pusher in the same stream, the
// earlier one had its turn before, so it is owed as well. Pushes to all have no
// order with others and are owed only to who stayed.
//
// # What explains a push that is missing
//
// The jobs' ledger is exact: it names the message, the comet's run, and keys. "Closed"
// is an excuse only for links of a comet that something was done to, and "invalid"
// is none, since no push is. Gap markers are nearly as exact: they name the room and
// a number, come on the link concerned, and not long after the push. Comets'
// counters say how much was dropped and why, between two looks, but not of which
// push: so an entry explains as many missing pushes × links as it counts, which were
// begun before it ended and not longer before than a job holds a push. What a comet
// counts as closed or left concerns links that went. A counter can so explain the
// wrong push, but never more of them than were counted, those included that gap
// markers tell of.
package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/oortim/oort/bench/chaos/history"
)

// Rule that was broken.
type Rule string

// The rules; see the package comment.
const (
	Missing  Rule = "missing"
	Double   Rule = "double"
	Order    Rule = "order"
	Ghost    Rule = "ghost"
	Stranger Rule = "stranger"
	Absent   Rule = "absent"
	Late     Rule = "late"
)

// None stands for a push or a link that a violation does not concern.
const None = -1

// Violation is one broken promise.
type Violation struct {
	Rule   Rule
	Push   int // index in Run.Pushes, or None
	Link   int // index in Run.Links, or None
	Detail string
}

// Verdict on a run.
type Verdict struct {
	Violations []Violation
	// Owed counts pushes × links that had to arrive, Seen all that arrived.
	Owed, Seen int
	// Explained counts pushes × links that are missing and explained, by reason.
	Explained map[string]int
	// Excused counts absent keys and mids with an excuse.
	Excused int
	// Answers counts pushes by answer.
	Answers map[history.Answer]int
	// UnknownSeen counts pushes answered "unknown" that somebody saw.
	UnknownSeen int
}

// checker is one judgement under way.
type checker struct {
	run     *history.Run
	verdict *Verdict
	index   index
	ledger  ledger
	missing []missed
	seers   []int           // links that saw each push
	sight   []sight         // of each push by the link that is looked at
	events  []history.Event // by their beginnings
	known   []bool          // unknown pushes that were seen
}

// sight is who saw a push last, as its number + 1, and when it did first. One
// for each push serves all links, one after the other.
type sight struct {
	by int
	at time.Duration
}

// missed is a push that a link was owed and did not see.
type missed struct {
	push, link int
	marked     bool // a gap marker tells of it
}

// Run judges.
func Run(run *history.Run) *Verdict {
	c := &checker{
		run: run, index: newIndex(run), ledger: newLedger(run), known: make([]bool, len(run.Pushes)),
		verdict: &Verdict{Explained: map[string]int{}, Answers: map[history.Answer]int{}},
	}
	c.events = slices.SortedFunc(slices.Values(run.Events), func(a, b history.Event) int { return cmp.Compare(a.From, b.From) })
	for i := range run.Pushes {
		c.answers(&run.Pushes[i])
	}
	c.seers, c.sight = seers(run), make([]sight, len(run.Pushes))
	for i := range run.Links {
		c.link(i)
	}
	c.explain()
	slices.SortStableFunc(c.verdict.Violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Push, b.Push), cmp.Compare(a.Link, b.Link))
	})
	return c.verdict
}

// seers counts the links that saw each push.
func seers(run *history.Run) []int {
	n := make([]int, len(run.Pushes))
	for i := range run.Links {
		for _, r := range run.Links[i].Got {
			if int(r.Push) < len(n) {
				n[r.Push]++
			}
		}
	}
	return n
}

func (c *checker) broken(rule Rule, push, link int, format string, args ...any) {
	c.verdict.Violations = append(c.verdict.Violations, Violation{rule, push, link, fmt.Sprintf(format, args...)})
}

// answers looks at a push's own side.
func (c *checker) answers(p *history.Push) {
	c.verdict.Answers[p.Answer]++
	for _, t := range p.Tries {
		if took := t.Ended - t.Begun; took > c.run.Deadline && !c.disturbed(t.Logic, t.Begun, t.Ended) {
			c.broken(Late, int(p.ID), None, "%s answered %q after %v; %v is the limit", t.Logic, t.Said,
				took.Round(time.Millisecond), c.run.Deadline)
		}
	}
}

// disturbed reports whether something was done to a part in that time.
func (c *checker) disturbed(part string, from, to time.Duration) bool {
	for _, e := range c.run.Events {
		if e.Part == part && e.From <= to && e.To >= from {
			return true
		}
	}
	return false
}

// explain finds a reason for each missing push, the oldest first.
func (c *checker) explain() {
	slices.SortStableFunc(c.missing, func(a, b missed) int { return cmp.Compare(a.push, b.push) })
	for _, m := range c.missing {
		p, link := &c.run.Pushes[m.push], &c.run.Links[m.link]
		if m.marked {
			c.verdict.Explained["gap marker"]++
			c.ledger.comet(p.Begun, link.Comet) // which has counted it, and so has that many fewer for others
		} else if reason := c.ledger.told(p, link); reason != "" {
			c.verdict.Explained["job: "+reason]++
		} else if reason := c.ledger.comet(p.Begun, link.Comet); reason != "" {
			c.verdict.Explained["comet: "+reason]++
		} else {
			c.broken(Missing, m.push, m.link, "stored, and never seen by %s", link.Key)
		}
	}
}
