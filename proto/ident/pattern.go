package ident

import (
	"errors"
	"fmt"
	"strings"
)

// ErrPattern comes wrapped with the offending value.
var ErrPattern = errors.New("ident: bad room pattern")

// MaxPatterns is the largest number of patterns that a link may have.
const MaxPatterns = 64

// RoomPattern names the rooms that a link may join: a room itself, or the
// beginning of one with a star behind it, as in "live://*", "live://eu-*" and,
// for all, "*".
type RoomPattern string

// ParseRoomPattern checks s: a room, "*", or what stands before the star is a
// type, "://" and what an id may begin with. Otherwise the error is ErrPattern.
func ParseRoomPattern(s string) (RoomPattern, error) {
	start, star := strings.CutSuffix(s, "*")
	if !star || start != "" {
		room := start
		if star && strings.HasSuffix(start, "://") {
			room += "x" // any id would do
		}
		if _, err := ParseRoom(room); err != nil {
			return "", fmt.Errorf("%w %q", ErrPattern, clip(s))
		}
	}
	return RoomPattern(s), nil
}

// Matches reports whether the link may join room.
func (p RoomPattern) Matches(room Room) bool {
	if start, ok := strings.CutSuffix(string(p), "*"); ok {
		return strings.HasPrefix(string(room), start)
	}
	return string(p) == string(room)
}

// Permission is which rooms a link may join: those that one of its patterns
// matches. Nil means any, and empty none.
type Permission []RoomPattern

// Allows reports whether the link may join room. To be in no room is always
// allowed.
func (p Permission) Allows(room Room) bool {
	if p == nil || room == "" {
		return true
	}
	for _, pattern := range p {
		if pattern.Matches(room) {
			return true
		}
	}
	return false
}
