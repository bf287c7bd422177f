package rpc

import (
	"slices"
	"testing"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// TestConnectedRooms: that a link may join no room at all is not the same as
// that it may join any.
func TestConnectedRooms(t *testing.T) {
	for _, row := range []struct {
		rooms   ident.Permission
		limited bool
		want    []string
	}{
		{nil, false, nil},
		{ident.Permission{}, true, nil},
		{ident.Permission{"live://*", "game://1"}, true, []string{"live://*", "game://1"}},
	} {
		c := connected(logic.ConnectResult{Identity: logic.Identity{Rooms: row.rooms}})
		if c.RoomsLimited != row.limited || !slices.Equal(c.RoomPatterns, row.want) {
			t.Errorf("%q: limited %v, %q", row.rooms, c.RoomsLimited, c.RoomPatterns)
		}
	}
}
