// Package rest keeps the bytes that handlers left unused. Almost no link has
// any, so a link names its rest by a 4-byte handle into the table of its loop
// and the buffers come from pools by size.
package rest

import (
	"math/bits"
	"sync"
)

const (
	smallest = 6  // 64 bytes
	largest  = 17 // 128 KiB: what is larger is left to the collector
	classes  = largest - smallest + 1
)

type buffer struct{ b []byte }

var pools [classes]sync.Pool

// Table holds the rests of one loop, which owns it. The zero Table is empty
// and ready to use.
type Table struct {
	held []*buffer // by handle - 1
	free []uint32  // handles without a buffer
}

// Bytes returns the rest of h, valid until the next call that is given h.
func (t *Table) Bytes(h uint32) []byte {
	if h == 0 {
		return nil
	}
	return t.held[h-1].b
}

// Append puts more behind the rest of h and returns its handle, a new one if
// h was 0.
func (t *Table) Append(h uint32, more []byte) uint32 {
	if h == 0 {
		return t.hold(lease(len(more)), more)
	}
	old := t.held[h-1]
	if len(old.b)+len(more) > cap(old.b) {
		grown := lease(len(old.b) + len(more))
		grown.b = append(grown.b, old.b...)
		release(old)
		t.held[h-1] = grown
	}
	t.held[h-1].b = append(t.held[h-1].b, more...)
	return h
}

// Keep makes left, which may be the tail of h's own bytes, the whole rest of
// h and returns its handle, a new one if h was 0. A buffer that has become
// four times too large is exchanged for a smaller one.
func (t *Table) Keep(h uint32, left []byte) uint32 {
	if h == 0 {
		return t.hold(lease(len(left)), left)
	}
	old := t.held[h-1]
	if cap(old.b) < 4<<class(len(left)) {
		old.b = old.b[:copy(old.b[:cap(old.b)], left)]
		return h
	}
	small := lease(len(left))
	small.b = append(small.b, left...)
	release(old)
	t.held[h-1] = small
	return h
}

// Free gives the buffer of h back; h may be 0.
func (t *Table) Free(h uint32) {
	if h == 0 {
		return
	}
	release(t.held[h-1])
	t.held[h-1] = nil
	t.free = append(t.free, h)
}

// Held is how many rests there are.
func (t *Table) Held() int { return len(t.held) - len(t.free) }

func (t *Table) hold(b *buffer, bytes []byte) uint32 {
	b.b = append(b.b, bytes...)
	if n := len(t.free); n > 0 {
		h := t.free[n-1]
		t.free = t.free[:n-1]
		t.held[h-1] = b
		return h
	}
	t.held = append(t.held, b)
	return uint32(len(t.held))
}

// class is the power of two, as its exponent, that holds n bytes.
func class(n int) int {
	return max(smallest, bits.Len(uint(max(n, 1)-1)))
}

func lease(n int) *buffer {
	c := class(n)
	if c <= largest {
		if b, ok := pools[c-smallest].Get().(*buffer); ok {
			return b
		}
	}
	return &buffer{make([]byte, 0, 1<<c)}
}

func release(b *buffer) {
	Poison(b.b)
	b.b = b.b[:0]
	if c := class(cap(b.b)); c <= largest {
		pools[c-smallest].Put(b)
	}
}
