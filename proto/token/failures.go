package token

import (
	"container/list"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Pause between two attempts of a source that is delayed: doubled with each
// failure.
const (
	minDelay = time.Second
	maxDelay = time.Minute
)

// Failures counts refusals by source, so that guessing becomes slow: a source
// that failed too often must wait between attempts, longer each time, and after
// twice as many until its window ends. Safe for use from several goroutines.
type Failures struct {
	most   int           // immutable
	window time.Duration // immutable

	mu      sync.Mutex // guards what follows
	entries map[string]*list.Element
	recent  *list.List // of *failures, most recently failed first
}

// failures of one source.
type failures struct {
	source string
	count  int
	ends   time.Time // of the window
	next   time.Time // when the next attempt is looked at
}

// NewFailures remembers most sources, of which the least recently failed is
// forgotten first, each for window after its first failure. Zero means 65,536
// and 10 min.
func NewFailures(most int, window time.Duration) *Failures {
	if most == 0 {
		most = 65536
	}
	if window == 0 {
		window = 10 * time.Minute
	}
	return &Failures{most: most, window: window, entries: make(map[string]*list.Element), recent: list.New()}
}

// Wait returns how long source must wait before its next attempt, if limit
// failures are borne; 0: not. Nobody (the empty source) never waits, nor does
// anybody with a negative limit.
func (f *Failures) Wait(source string, limit int, now time.Time) time.Duration {
	if source == "" || limit < 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entries[source]
	if e == nil {
		return 0
	}
	one := e.Value.(*failures)
	switch {
	case !now.Before(one.ends):
		f.removeLocked(e)
		return 0
	case one.count >= 2*limit:
		return one.ends.Sub(now)
	default:
		return max(0, one.next.Sub(now))
	}
}

// Fail counts one failure of source.
func (f *Failures) Fail(source string, limit int, now time.Time) {
	if source == "" || limit < 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entries[source]
	if e == nil {
		e = f.recent.PushFront(&failures{source: source, ends: now.Add(f.window)})
		f.entries[source] = e
	}
	f.recent.MoveToFront(e)
	one := e.Value.(*failures)
	if one.count++; one.count >= limit {
		one.next = now.Add(min(maxDelay, minDelay<<min(one.count-limit, 6)))
	}
	for len(f.entries) > f.most {
		f.removeLocked(f.recent.Back())
	}
}

func (f *Failures) removeLocked(e *list.Element) {
	delete(f.entries, e.Value.(*failures).source)
	f.recent.Remove(e)
}

// Address names an address as a source, or the /64 of an IPv6 one, of which a
// client has more than any table can hold.
func Address(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		prefix, _ := addr.Prefix(64) // 64 bits always fit
		addr = prefix.Addr()
	}
	return "ip " + addr.String()
}

// User names a user as a source; nobody has no name.
func User(mid int64) string {
	if mid <= 0 {
		return ""
	}
	return "mid " + strconv.FormatInt(mid, 10)
}
