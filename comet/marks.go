package comet

import (
	"sync"
	"time"
)

// Partition names a Kafka partition for ever: a topic made anew under its old
// name has another id.
type Partition struct {
	Topic  [16]byte
	Number int32
}

// mark is the highest record of one partition that was applied.
type mark struct {
	mu     sync.Mutex // held while a batch of the partition is applied
	epoch  int32      // guarded by mu
	offset int64      // guarded by mu
	missed missed     // guarded by mu
}

// passed reports whether the record lies at or below the mark.
func (m *mark) passed(epoch int32, offset int64) bool {
	return epoch < m.epoch || epoch == m.epoch && offset <= m.offset
}

// marks of all partitions.
type marks struct {
	mu sync.Mutex
	of map[Partition]*mark // guarded by mu
}

func (m *marks) at(p Partition) *mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[Partition]*mark{}
	}
	one := m.of[p]
	if one == nil {
		one = &mark{epoch: -1, offset: -1}
		m.of[p] = one
	}
	return one
}

// rememberFor is how long a message id that may come twice is remembered, at least.
const rememberFor = 10 * time.Minute

// rememberMost bounds each of the two generations.
const rememberMost = 1 << 20

// memory remembers hashes in two generations: what is asked for within
// rememberFor is found, what is older than twice that is gone.
type memory struct {
	mu       sync.Mutex
	now, old map[uint64]struct{} // guarded by mu
	turned   time.Time           // guarded by mu
}

// seen reports whether h was remembered, and remembers it.
func (m *memory) seen(h uint64, at time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now == nil || at.Sub(m.turned) > rememberFor || len(m.now) >= rememberMost {
		m.old, m.now, m.turned = m.now, map[uint64]struct{}{}, at
	}
	if _, ok := m.now[h]; ok {
		return true
	}
	m.now[h] = struct{}{}
	_, ok := m.old[h]
	return ok
}
