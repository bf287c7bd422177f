package room

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/oortim/oort/proto/frame"
)

// TestAcceptsAgainstMap: after any changes a set wants what a plain map says.
func TestAcceptsAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.Bool().Draw(t, "all")
		a, want := Accepts{}, map[uint32]bool{}
		if all {
			a = Everything
		}
		gap := uint32(frame.OpGap)
		ops := rapid.SliceOfN(rapid.SampledFrom([]uint32{gap, 100, 101, 102, 103}), 0, 4)
		t.Repeat(map[string]func(*rapid.T){
			"with": func(t *rapid.T) {
				list := ops.Draw(t, "ops")
				a = a.With(list)
				for _, op := range list {
					want[op] = true
				}
			},
			"without": func(t *rapid.T) {
				list := ops.Draw(t, "ops")
				a = a.Without(list)
				for _, op := range list {
					want[op] = false
				}
			},
			"": func(t *rapid.T) {
				for op := uint32(gap); op < 105; op++ {
					expect, said := want[op]
					if !said {
						expect = all && op != gap // the marker must be named
					}
					if a.Wants(op) != expect {
						t.Fatalf("wants %d: %v, want %v (%+v)", op, !expect, expect, a)
					}
				}
			},
		})
	})
}

// TestInternedAreEqual: the same wishes get the same number, others another,
// and nothing is kept when all have been given back.
func TestInternedAreEqual(t *testing.T) {
	s := NewSets()
	a := s.Intern(AcceptsOf([]uint32{102, 100, 101}))
	b := s.Intern(Accepts{}.With([]uint32{100}).With([]uint32{101, 102, 100}))
	c := s.Intern(Everything.Without([]uint32{100, 101, 102}))
	if a != b || a == c {
		t.Fatalf("numbers %d %d %d, want the first two equal", a, b, c)
	}
	if got := s.Intern(Everything.Without([]uint32{100}).With([]uint32{100})); got != 0 {
		t.Errorf("everything again is %d, want 0", got)
	}
	for _, id := range []SetID{a, b, c} {
		s.Release(id)
	}
	if n := s.table.Len(); n != 0 {
		t.Errorf("%d sets kept", n)
	}
	if d := s.Intern(AcceptsOf([]uint32{7})); d != a && d != c {
		t.Errorf("a new number %d was made while old ones were free", d)
	}
}
