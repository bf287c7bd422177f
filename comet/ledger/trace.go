package ledger

import (
	"sync"
	"sync/atomic"
	"time"
)

// Trace is what became of one message in this process, over all loops. Loops
// write it while anybody reads. A nil Trace counts nothing.
type Trace struct {
	accepted int64 // Unix microseconds
	slowest  atomic.Int64
	ends     [Outcomes]atomic.Uint32
}

// NewTrace traces a message that was accepted at so many Unix microseconds.
func NewTrace(accepted int64) *Trace { return &Trace{accepted: accepted} }

// End counts n links for which the message ended so.
func (t *Trace) End(o Outcome, n int) {
	if t != nil && n > 0 {
		t.ends[o].Add(uint32(n))
	}
}

// Deliver counts n links that have got the message by now.
func (t *Trace) Deliver(n int, now time.Time) {
	if t == nil || n == 0 {
		return
	}
	t.ends[Delivered].Add(uint32(n))
	took := t.Took(now).Microseconds()
	for old := t.slowest.Load(); took > old && !t.slowest.CompareAndSwap(old, took); old = t.slowest.Load() {
	}
}

// Took is how long ago the message was accepted.
func (t *Trace) Took(now time.Time) time.Duration {
	return time.Duration(now.UnixMicro()-t.accepted) * time.Microsecond
}

// Ended is how many links the message ended for, by outcome, and how long the
// slowest delivery took from acceptance: by two clocks, if comet and logic run
// on two machines.
func (t *Trace) Ended() (ends [Outcomes]uint32, slowest time.Duration) {
	for i := range ends {
		ends[i] = t.ends[i].Load()
	}
	return ends, time.Duration(t.slowest.Load()) * time.Microsecond
}

// Log remembers the traces of the last messages by their ids. Safe from any
// goroutine.
type Log struct {
	most int
	keep time.Duration

	mu   sync.Mutex
	byID map[string]*Trace // guarded by mu
	ring []noted           // guarded by mu; oldest at next when it is full
	next int               // guarded by mu
}

type noted struct {
	id string
	at time.Time
}

// NewLog remembers at most most ids, none longer than keep.
func NewLog(most int, keep time.Duration) *Log {
	return &Log{most: most, keep: keep, byID: map[string]*Trace{}}
}

// Open returns the trace of id, and makes it if there is none. Messages without
// id are not traced.
func (l *Log) Open(id string, accepted int64, now time.Time) *Trace {
	if id == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.byID[id]; t != nil {
		return t
	}
	t := NewTrace(accepted)
	l.byID[id] = t
	if len(l.ring) < l.most {
		l.ring = append(l.ring, noted{id, now})
		return t
	}
	delete(l.byID, l.ring[l.next].id)
	l.ring[l.next] = noted{id, now}
	l.next = (l.next + 1) % l.most
	return t
}

// Find returns the trace of id, nil if it is not remembered.
func (l *Log) Find(id string) *Trace {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id]
}

// Trim forgets what is older than may be kept. Call it now and then.
func (l *Log) Trim(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := 0
	for old < len(l.ring) {
		at := l.ring[(l.next+old)%len(l.ring)]
		if now.Sub(at.at) <= l.keep {
			break
		}
		delete(l.byID, at.id)
		old++
	}
	if old == 0 {
		return
	}
	left := make([]noted, 0, len(l.ring)-old)
	for i := old; i < len(l.ring); i++ {
		left = append(left, l.ring[(l.next+i)%len(l.ring)])
	}
	l.ring, l.next = left, 0
}
