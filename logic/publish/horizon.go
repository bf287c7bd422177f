package publish

import "time"

// maxSights bounds a horizon, however long the jobs stand still.
const maxSights = 256

// horizon tells how long the oldest push of a partition that jobs have not
// finished has waited, without reading it: of each end of the log that was seen
// it keeps when that was, for as long as the jobs are not past it. Looks that
// are a second apart make that right to a second.
//
// The zero horizon has seen nothing.
type horizon struct {
	sights []sight // ends rise, and so do times
	done   int64   // the first record that is not finished
}

// sight is the end of the log at one time.
type sight struct {
	at  time.Time
	end int64
}

// see takes note that jobs had finished what lies before done, of a log that
// ended at end.
func (h *horizon) see(now time.Time, done, end int64) {
	h.done = done
	keep := 0
	for keep < len(h.sights) && h.sights[keep].end <= done {
		keep++
	}
	h.sights = h.sights[keep:]
	last := done
	if n := len(h.sights); n > 0 {
		last = h.sights[n-1].end
	}
	if end > last {
		h.sights = append(h.sights, sight{now, end})
	}
	if len(h.sights) > maxSights {
		h.thin()
	}
}

// thin forgets every other sight behind the first: what it told is told by the
// next one, later.
func (h *horizon) thin() {
	kept := h.sights[:1]
	for i := 2; i < len(h.sights); i += 2 {
		kept = append(kept, h.sights[i])
	}
	h.sights = kept
}

// records is how many wait.
func (h *horizon) records() int64 {
	if n := len(h.sights); n > 0 {
		return h.sights[n-1].end - h.done
	}
	return 0
}

// age is how long the oldest of them has waited at least; zero if none does.
func (h *horizon) age(now time.Time) time.Duration {
	if len(h.sights) == 0 {
		return 0
	}
	return now.Sub(h.sights[0].at)
}
