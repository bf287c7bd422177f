package room

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
)

// block is the bytes of one flush for one cohort, shared by its members. The
// references are the flush that writes it, the ring, and each member that
// stopped in its middle. All are of one loop, so they are plain numbers.
type block struct {
	buf    []byte // what is sent: own, or the frame of the only message
	own    []byte // the block's buffer, kept with it in the pool
	msgs   []*Msg // in it, for their traces
	counts ledger.Counts
	lost   ledger.Counts // that its gap markers tell of
	first  progress      // of the cohort before it
	refs   int
	owed   int  // members at sealing for which it has not ended
	marker bool // gap markers for one link; it lies in no ring
}

// upTo is what the cohort had sealed when b was.
func (b *block) upTo() progress {
	p := b.first
	p.sent.Add(&b.counts, 1)
	p.lost.Add(&b.lost, 1)
	return p
}

// delivered counts n members that have got b.
func (t *Table) delivered(b *block, n int, now time.Time) {
	b.owed -= n
	for _, m := range b.msgs {
		m.Deliver(n, now, &t.stats.Took)
	}
}

// settle counts n members for which b ended so; not for Delivered.
func (b *block) settle(o ledger.Outcome, n int) {
	b.owed -= n
	for _, m := range b.msgs {
		m.End(o, n)
	}
}

// blocks is the pool of one loop. In the steady state a flush takes a block
// and gives it back at its end, so that rooms of any size and rate use one
// buffer; only members that lag keep more alive.
type blocks struct {
	free []*block
}

const (
	pooledBlocks = 64
	pooledBytes  = 64 << 10 // a larger buffer is left to the collector
	pooledMsgs   = 1024
)

func (p *blocks) take() *block {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		b.refs = 1
		return b
	}
	return &block{refs: 1}
}

// release gives one reference back. With the last one the block is lost to
// those that never got it: they lagged.
func (p *blocks) release(b *block) {
	if b.refs--; b.refs > 0 {
		return
	}
	b.settle(ledger.Slow, b.owed)
	poison(b.own)
	clear(b.msgs)
	if len(p.free) == pooledBlocks {
		return
	}
	if cap(b.own) > pooledBytes {
		b.own = nil
	}
	if cap(b.msgs) > pooledMsgs {
		b.msgs = nil
	}
	*b = block{own: b.own[:0], msgs: b.msgs[:0]}
	p.free = append(p.free, b)
}
