package check

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/oortim/oort/bench/chaos/history"
)

// Around is how long before and after a push a story tells of the parts.
const around = 15 * time.Second

// Story tells a violation: which push, which link, and what the parts were
// going through.
func Story(run *history.Run, v Violation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", strings.ToUpper(string(v.Rule)), v.Detail)
	from, to := time.Duration(0), run.Ended
	if v.Push != None {
		p := &run.Pushes[v.Push]
		from, to = p.Begun, p.Ended
		tellPush(&b, run, p)
	}
	if v.Link != None {
		tellLink(&b, &run.Links[v.Link], from)
	}
	tellParts(&b, run, from-around, to+around)
	return b.String()
}

func tellPush(b *strings.Builder, run *history.Run, p *history.Push) {
	fmt.Fprintf(b, "  push %d of pusher %d to %s, %s\n", p.ID, p.Pusher, target(p), p.Answer)
	for _, t := range p.Tries {
		fmt.Fprintf(b, "    %s at %v, %s: %s after %v\n", "asked", round(t.Begun), t.Logic, t.Said, round(t.Ended-t.Begun))
	}
	saw, first, last := 0, time.Duration(0), time.Duration(0)
	by := map[string]int{}
	for i := range run.Links {
		for _, r := range run.Links[i].Got {
			if r.Push != p.ID {
				continue
			}
			if saw == 0 || r.At < first {
				first = r.At
			}
			last = max(last, r.At)
			saw++
			by[run.Links[i].Comet]++
		}
	}
	if saw == 0 {
		fmt.Fprintf(b, "    seen by nobody\n")
	} else {
		fmt.Fprintf(b, "    seen by %d links %v, from %v to %v\n", saw, by, round(first), round(last))
	}
	for _, d := range run.Drops {
		if d.Message == p.Message && p.Message != "" {
			fmt.Fprintf(b, "    dropped by a job: %s for %s, which began at %v, keys %v\n", d.Reason, cmp.Or(d.Comet, "all"), round(d.Since), d.Keys)
		}
	}
}

func target(p *history.Push) string {
	switch p.Kind {
	case history.Room:
		return p.Room
	case history.Keys:
		return fmt.Sprintf("keys %v", p.Keys)
	case history.Mids:
		return fmt.Sprintf("mids %v", p.Mids)
	}
	return "all"
}

func tellLink(b *strings.Builder, l *history.Link, at time.Duration) {
	end := "stayed to the end"
	if !l.Stayed {
		end = fmt.Sprintf("ended at %v: %s", round(l.Closed), l.Why)
	}
	fmt.Fprintf(b, "  link of %s (mid %d) on %s, joined at %v, %s, got %d messages\n", l.Key, l.Mid, l.Comet, round(l.Joined), end, len(l.Got))
	for _, s := range l.Stays {
		if s.Asked <= at+around && s.Left >= at-around {
			fmt.Fprintf(b, "    in %s from %v to %v\n", s.Room, round(s.Joined), round(s.Left))
		}
	}
	var before, after *history.Receipt
	for i := range l.Got {
		if r := &l.Got[i]; r.At <= at {
			before = r
		} else if after == nil {
			after = r
		}
	}
	if before != nil {
		fmt.Fprintf(b, "    last before: push %d at %v\n", before.Push, round(before.At))
	}
	if after != nil {
		fmt.Fprintf(b, "    first after: push %d at %v\n", after.Push, round(after.At))
	}
}

func tellParts(b *strings.Builder, run *history.Run, from, to time.Duration) {
	for _, e := range run.Events {
		if e.To >= from && e.From <= to {
			fmt.Fprintf(b, "  %s: %s from %v to %v\n", e.Part, e.What, round(e.From), round(e.To))
		}
	}
	for _, d := range run.Ledger {
		if d.To >= from && d.From <= to {
			fmt.Fprintf(b, "  %s counted %d %s by %v\n", d.Part, d.Count, d.Reason, round(d.To))
		}
	}
}
