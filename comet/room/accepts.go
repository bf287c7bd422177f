package room

import (
	"encoding/binary"
	"slices"

	"github.com/oortim/oort/comet/intern"
	"github.com/oortim/oort/proto/frame"
)

// Accepts says which ops a link wants: those listed, or every op but those
// listed. Immutable once made. The zero value wants nothing.
type Accepts struct {
	all bool     // ops are those not wanted
	gap bool     // the gap marker (op 18), which only being named switches on
	ops []uint32 // sorted, each once, without op 18
}

// Everything wants each op, but no gap markers.
var Everything = Accepts{all: true}

// AcceptsOf wants the given ops.
func AcceptsOf(ops []uint32) Accepts { return Accepts{}.With(ops) }

// Wants reports whether op is wanted.
func (a *Accepts) Wants(op uint32) bool {
	if op == uint32(frame.OpGap) {
		return a.gap
	}
	_, listed := slices.BinarySearch(a.ops, op)
	return listed != a.all
}

// Len is how many ops a has to remember.
func (a *Accepts) Len() int { return len(a.ops) }

// With wants ops too.
func (a Accepts) With(ops []uint32) Accepts { return a.change(ops, true) }

// Without no longer wants ops.
func (a Accepts) Without(ops []uint32) Accepts { return a.change(ops, false) }

func (a Accepts) change(ops []uint32, want bool) Accepts {
	list := slices.Clone(a.ops)
	for _, op := range ops {
		switch i, listed := slices.BinarySearch(list, op); {
		case op == uint32(frame.OpGap):
			a.gap = want
		case want != a.all && !listed:
			list = slices.Insert(list, i, op)
		case want == a.all && listed:
			list = slices.Delete(list, i, i+1)
		}
	}
	a.ops = list
	return a
}

// fingerprint is equal for equal sets only.
func (a *Accepts) fingerprint() string {
	b := make([]byte, 1, 1+4*len(a.ops))
	if a.all {
		b[0] |= 1
	}
	if a.gap {
		b[0] |= 2
	}
	for _, op := range a.ops {
		b = binary.BigEndian.AppendUint32(b, op)
	}
	return string(b)
}

// SetID names an interned Accepts. 0 is Everything.
type SetID uint32

// Sets interns the Accepts of one loop's links: links that want the same hold
// the same number and fall into one cohort. Owned by one loop.
type Sets struct{ table *intern.Table[Accepts] }

// NewSets has only Everything.
func NewSets() *Sets { return &Sets{intern.New(Everything)} }

// Intern returns the number of a and takes a reference, to be given back by
// Release.
func (s *Sets) Intern(a Accepts) SetID {
	if a.all && !a.gap && len(a.ops) == 0 {
		return 0
	}
	return SetID(s.table.Add(a.fingerprint(), a))
}

// Release gives one reference back.
func (s *Sets) Release(id SetID) { s.table.Release(uint32(id)) }

// At returns the set; valid until the next Intern or Release.
func (s *Sets) At(id SetID) *Accepts { return s.table.At(uint32(id)) }
