package ident

import (
	"fmt"
	"strings"
)

// Room names a room as "type://id", "live://1000".
type Room string

// Longest parts of a room's name, in bytes, and what stands between them.
const (
	MaxRoomType = 32
	MaxRoomID   = 64
	roomSep     = "://"
	// MaxRoom is the longest name of a room, in bytes.
	MaxRoom = MaxRoomType + len(roomSep) + MaxRoomID
)

// ParseRoom checks s against [a-z0-9_-]{1,32}://[A-Za-z0-9_.:-]{1,64}.
// Otherwise the error is ErrRoom.
func ParseRoom(s string) (Room, error) {
	typ, id, _ := strings.Cut(s, roomSep)
	if !within(typ, 1, MaxRoomType, isLowerWord) || !within(id, 1, MaxRoomID, isRoomIDByte) {
		return "", fmt.Errorf("%w %q", ErrRoom, clip(s))
	}
	return Room(s), nil
}

func isRoomIDByte(c byte) bool {
	return isLowerWord(c) || c >= 'A' && c <= 'Z' || c == '.' || c == ':'
}
