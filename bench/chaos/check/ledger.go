package check

import (
	"strings"
	"time"

	"github.com/oortim/oort/bench/chaos/history"
)

// heldFor is how long a push may be under way before it is counted as dropped:
// a job's --max-hold with as much again for what comes before and after.
const heldFor = time.Minute

// ledger is what the parts counted as dropped and no push has claimed yet.
type ledger struct {
	run  *history.Run
	left []int // of run.Ledger[i]
}

func newLedger(run *history.Run) ledger {
	l := ledger{run: run, left: make([]int, len(run.Ledger))}
	for i, d := range run.Ledger {
		l.left[i] = d.Count
	}
	return l
}

// job claims one drop by a job for a push of that time and a comet; "" if there
// is none.
func (l *ledger) job(begun time.Duration, comet string) string {
	return l.claim(begun, func(d history.Dropped) bool {
		return strings.HasPrefix(d.Part, "job-") && (d.Reason != "closed" || l.wasDisturbed(comet, begun))
	})
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
