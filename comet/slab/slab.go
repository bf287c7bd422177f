// Package slab holds the records of one loop's links by slot: chunks of 4,096
// that never move, so that growing copies nothing and a pointer to a record
// stays valid. With pointer-free records the collector never walks them.
package slab

const (
	chunkBits = 12
	chunkLen  = 1 << chunkBits
)

// Slab is a growing array of T by slot. The zero value is empty and ready.
// Owned by one loop.
type Slab[T any] struct {
	chunks []*[chunkLen]T
}

// At returns the record of slot, which must be below Len.
func (s *Slab[T]) At(slot uint32) *T {
	return &s.chunks[slot>>chunkBits][slot&(chunkLen-1)]
}

// Grow makes At valid for slot. Records come zeroed.
func (s *Slab[T]) Grow(slot uint32) {
	for s.Len() <= slot {
		s.chunks = append(s.chunks, new([chunkLen]T))
	}
}

// Len is one more than the highest valid slot.
func (s *Slab[T]) Len() uint32 { return uint32(len(s.chunks)) << chunkBits }
