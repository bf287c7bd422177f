package room

// block is the bytes of one flush for one cohort, shared by its members. The
// references are the flush that seals it, the ring, and each member that
// stopped in its middle. All are of one loop, so they are plain numbers.
type block struct {
	buf   []byte // what is sent: own, or the frame of the only message
	own   []byte // the block's buffer, kept with it in the pool
	refs  int
	count int    // messages in it
	first uint64 // messages that the cohort sealed before it
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

func (p *blocks) release(b *block) {
	if b.refs--; b.refs > 0 {
		return
	}
	poison(b.own)
	if len(p.free) == pooledBlocks {
		return
	}
	if cap(b.own) > pooledBytes {
		b.own = nil
	}
	*b = block{own: b.own[:0]}
	p.free = append(p.free, b)
}
