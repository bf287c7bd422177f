// Package ident holds the names that cross process boundaries, each as a type
// of its own, since all of them are strings that can be swapped by mistake.
//
// A value made by a Parse function keeps its grammar; only convert a string
// directly where it came from one (a constant, a store that we wrote). The
// grammars leave out whatever has a meaning to Redis (braces), to a header or
// a log line (spaces, control bytes), so that a name can stand anywhere.
package ident

import (
	"errors"
	"fmt"
)

// Errors of this package; they come wrapped with the offending value.
var (
	ErrKey    = errors.New("ident: bad key")
	ErrRoom   = errors.New("ident: bad room")
	ErrServer = errors.New("ident: bad server")
)

// MaxKey is the longest key, in bytes.
const MaxKey = 64

// Key names a device, unique while it is online.
type Key string

// ParseKey checks s: 1 to 64 printable ASCII bytes (0x21 to 0x7e) without
// braces. Otherwise the error is ErrKey.
func ParseKey(s string) (Key, error) {
	if !within(s, 1, MaxKey, isKeyByte) {
		return "", fmt.Errorf("%w %q", ErrKey, clip(s))
	}
	return Key(s), nil
}

// isKeyByte leaves out braces because Redis takes what stands in them for the
// part of a key that chooses the slot.
func isKeyByte(c byte) bool {
	return c > ' ' && c < 0x7f && c != '{' && c != '}'
}

// within tells whether s has min to max bytes and ok holds for each of them.
func within(s string, min, max int, ok func(byte) bool) bool {
	if len(s) < min || len(s) > max {
		return false
	}
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// isLowerWord holds for the bytes that room types and server names share.
func isLowerWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// clip cuts an offending value to a length that a log can bear: an error is
// made of what a stranger sent.
func clip(s string) string {
	const most = 128
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
