package check

import (
	"slices"
	"time"

	"github.com/oortim/oort/bench/chaos/history"
)

// heldFor is how long a push may be under way before it is counted as dropped:
// a job's --max-hold with as much again for what comes before and after.
const heldFor = time.Minute

// ledger is what jobs say that they dropped, and what comets counted as dropped
// and no push has claimed yet.
type ledger struct {
	run   *history.Run
	drops map[string][]history.Drop // by message
	left  []int                     // of run.Ledger[i]
}

func newLedger(run *history.Run) ledger {
	l := ledger{run: run, left: make([]int, len(run.Ledger)), drops: map[string][]history.Drop{}}
	for i, d := range run.Ledger {
		l.left[i] = d.Count
	}
	for _, d := range run.Drops {
		l.drops[d.Message] = append(l.drops[d.Message], d)
	}
	return l
}

// told returns the reason for which a job says that it dropped p for link; ""
// if none says so.
func (l *ledger) told(p *history.Push, link *history.Link) string {
	if p.Message == "" {
		return ""
	}
	for _, d := range l.drops[p.Message] {
		if l.concerns(d, link) && d.Reason != "invalid" && (d.Reason != "closed" || l.wasDisturbed(link.Comet, p.Begun)) {
			return d.Reason
		}
	}
	return ""
}

// concerns reports whether a drop is for link: its comet, in the run to which
// the link belongs, and its key, if keys are named.
func (l *ledger) concerns(d history.Drop, link *history.Link) bool {
	if d.Keys != nil && !slices.Contains(d.Keys, link.Key) {
		return false
	}
	return d.Comet == "" || d.Comet == link.Comet && d.Since <= link.Joined && !l.restarted(d.Comet, d.Since, link.Joined)
}

// restarted reports whether a part was ended between two times.
func (l *ledger) restarted(part string, from, to time.Duration) bool {
	for _, e := range l.run.Events {
		if e.Part == part && e.Ends() && e.From > from && e.To <= to {
			return true
		}
	}
	return false
}

// comet claims one drop by a comet.
func (l *ledger) comet(begun time.Duration, comet string) string {
	return l.claim(begun, func(d history.Dropped) bool {
		return d.Part == comet && d.Reason != "closed" && d.Reason != "left"
	})
}

func (l *ledger) claim(begun time.Duration, fits func(history.Dropped) bool) string {
	for i, d := range l.run.Ledger {
		if l.left[i] > 0 && d.To >= begun && d.From <= begun+heldFor && fits(d) {
			l.left[i]--
			return d.Reason
		}
	}
	return ""
}

// wasDisturbed reports whether something was done to the comet while a push of
// that time can have been under way, or shortly before.
func (l *ledger) wasDisturbed(comet string, begun time.Duration) bool {
	for _, e := range l.run.Events {
		if e.Part == comet && e.To >= begun-heldFor && e.From <= begun+heldFor {
			return true
		}
	}
	return false
}
