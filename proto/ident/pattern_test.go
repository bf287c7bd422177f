package ident

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseRoomPattern(t *testing.T) {
	for s, ok := range map[string]bool{
		"*":                                 true,
		"live://*":                          true,
		"live://1000":                       true,
		"live://10*":                        true,
		"live://eu.*":                       true,
		"t://" + strings.Repeat("i", 64):    true,
		"":                                  false,
		"live*":                             false,
		"live:*":                            false,
		"live:/*":                           false,
		"live://":                           false,
		"**":                                false,
		"live://**":                         false,
		"live://*1":                         false,
		"*://1":                             false,
		"LIVE://*":                          false,
		"live://a b*":                       false,
		"live://[0-9]*":                     false,
		"t://" + strings.Repeat("i", 65):    false,
		"live://1\n":                        false,
		strings.Repeat("t", 33) + "://*":    false,
		"live://" + strings.Repeat("*", 99): false,
	} {
		got, err := ParseRoomPattern(s)
		if ok && (err != nil || string(got) != s) || !ok && (!errors.Is(err, ErrPattern) || got != "") {
			t.Errorf("%q: %q, %v, want ok %v", s, got, err, ok)
		}
	}
}

func TestPermission(t *testing.T) {
	for _, row := range []struct {
		may  Permission
		room Room
		want bool
	}{
		{nil, "live://1", true},
		{nil, "", true},
		{Permission{}, "live://1", false},
		{Permission{}, "", true},
		{Permission{"*"}, "live://1", true},
		{Permission{"live://*"}, "live://1", true},
		{Permission{"live://*"}, "live2://1", false},
		{Permission{"live://*"}, "game://1", false},
		{Permission{"live://1"}, "live://1", true},
		{Permission{"live://1"}, "live://10", false},
		{Permission{"live://10"}, "live://1", false},
		{Permission{"live://1*"}, "live://1", true},
		{Permission{"live://1*"}, "live://10", true},
		{Permission{"live://1*"}, "live://2", false},
		{Permission{"game://1", "live://*"}, "live://7", true},
		{Permission{"game://1", "live://*"}, "game://7", false},
	} {
		if got := row.may.Allows(row.room); got != row.want {
			t.Errorf("%q allows %q: %v, want %v", row.may, row.room, got, row.want)
		}
	}
}

// TestPatternOfRoom: each room is a pattern that allows itself and no other, and
// each beginning of it with a star allows it.
func TestPatternOfRoom(t *testing.T) {
	rooms := rapid.StringMatching(`[a-z0-9_-]{1,32}://[A-Za-z0-9_.:-]{1,64}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := Room(rooms.Draw(t, "a")), Room(rooms.Draw(t, "b"))
		exact, err := ParseRoomPattern(string(a))
		if err != nil || !exact.Matches(a) || exact.Matches(b) != (a == b) {
			t.Fatalf("%q: %v", a, err)
		}
		first := strings.Index(string(a), "://") + len("://")
		n := rapid.IntRange(first, len(a)).Draw(t, "n")
		begun, err := ParseRoomPattern(string(a[:n]) + "*")
		if err != nil || !begun.Matches(a) {
			t.Fatalf("%q*: %v", a[:n], err)
		}
	})
}
