// Package auth checks what links show at the door: [Open] trusts them, [JWT]
// checks signed tokens, [Callback] asks a service of the operator. [Guard]
// slows guessing down; it wraps any of them.
//
// No error of this package contains a part of a body or token.
package auth

import (
	"fmt"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// claims are goim's words for who a link is.
type claims struct {
	Mid      int64   `json:"mid"`
	Key      string  `json:"key"`
	Room     string  `json:"room_id"`
	Platform string  `json:"platform"`
	Accepts  []int32 `json:"accepts"`
	// Rooms are patterns of those that the link may join; nil: any. It is ours,
	// not goim's.
	Rooms *[]string `json:"rooms"`
}

// maxPlatform is the longest platform, in bytes.
const maxPlatform = 32

// identity checks the names among claims. Without an accepts list, and with an
// empty one, the link gets every op: goim's servers send a room's messages to
// links whatever their list says, so clients exist that leave it empty.
func (c *claims) identity() (logic.Identity, error) {
	id := logic.Identity{
		Mid: c.Mid, Platform: c.Platform, Accepts: c.Accepts, AcceptsAll: len(c.Accepts) == 0,
	}
	if c.Mid < 0 {
		return id, fmt.Errorf("%w: mid is negative", logic.ErrMalformed)
	}
	if len(c.Platform) > maxPlatform {
		return id, fmt.Errorf("%w: platform is over %d bytes", logic.ErrMalformed, maxPlatform)
	}
	for _, op := range c.Accepts {
		if op < 0 {
			return id, fmt.Errorf("%w: an op among accepts is negative", logic.ErrMalformed)
		}
	}
	if c.Key != "" {
		key, err := ident.ParseKey(c.Key)
		if err != nil {
			return id, fmt.Errorf("%w: key", logic.ErrMalformed)
		}
		id.Key = key
	}
	if c.Room != "" {
		room, err := ident.ParseRoom(c.Room)
		if err != nil {
			return id, fmt.Errorf("%w: room_id", logic.ErrMalformed)
		}
		id.Room = room
	}
	if err := c.permit(&id); err != nil {
		return logic.Identity{Mid: c.Mid}, err
	}
	return id, nil
}

// ErrRoom: who the link is was proved, and it may not join the room. Nobody has
// guessed, so Guard does not count it. It wraps logic.ErrDenied.
var ErrRoom = fmt.Errorf("%w: room", logic.ErrDenied)

// permit takes over which rooms the link may join, and checks the first.
func (c *claims) permit(id *logic.Identity) error {
	if c.Rooms == nil {
		return nil
	}
	if len(*c.Rooms) > ident.MaxPatterns {
		return fmt.Errorf("%w: over %d patterns of rooms", logic.ErrMalformed, ident.MaxPatterns)
	}
	id.Rooms = make(ident.Permission, len(*c.Rooms)) // not nil: none is not any
	for i, text := range *c.Rooms {
		pattern, err := ident.ParseRoomPattern(text)
		if err != nil {
			return fmt.Errorf("%w: a pattern among rooms", logic.ErrMalformed)
		}
		id.Rooms[i] = pattern
	}
	if !id.Rooms.Allows(id.Room) {
		return ErrRoom
	}
	return nil
}
