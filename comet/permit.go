package comet

import (
	"slices"
	"strings"

	"github.com/oortim/oort/comet/intern"
	"github.com/oortim/oort/proto/ident"
)

// permit is the number of a permission among those of a loop; 0 is the one to
// join any room.
type permit uint32

// permits are the permissions of a loop's links. Owned by the loop. What a
// login service writes into all tokens alike is there once; a list for each
// user costs what it is long.
type permits struct {
	table *intern.Table[ident.Permission]
}

func newPermits() permits { return permits{intern.New[ident.Permission](nil)} }

// intern takes a reference, to be given back by release.
func (p permits) intern(rooms ident.Permission) permit {
	if rooms == nil {
		return 0
	}
	rooms = slices.Clone(rooms)
	slices.Sort(rooms)
	rooms = slices.Compact(rooms)
	var print strings.Builder
	for _, pattern := range rooms {
		print.WriteString(string(pattern))
		print.WriteByte(' ') // which is in no pattern
	}
	return permit(p.table.Add(print.String(), rooms))
}

func (p permits) release(m permit) { p.table.Release(uint32(m)) }

// of returns the permission; valid until the next intern or release.
func (p permits) of(m permit) ident.Permission { return *p.table.At(uint32(m)) }
