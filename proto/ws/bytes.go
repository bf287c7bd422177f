package ws

import (
	"bytes"
	"strings"
)

// isToken holds for the bytes of a field name (tchar, RFC 9110 5.6.2).
func isToken(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isSpace holds for the whitespace within a line (OWS, RFC 9110 5.6.3).
func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// isValue holds for the bytes of a field's value (RFC 9110 5.5).
func isValue(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

// isTarget tells whether b is a target in origin form, path and query (RFC
// 9112 3.2.1). The absolute form, meant for proxies, would bring a second host
// to believe in, and no client of ours writes it. A fragment never comes over
// the wire (RFC 6455 3).
func isTarget(b []byte) bool {
	if len(b) == 0 || b[0] != '/' {
		return false
	}
	for i, c := range b {
		switch {
		case c <= ' ' || c >= 0x7f || c == '#':
			return false
		case c == '%' && (i+2 >= len(b) || !isHex(b[i+1]) || !isHex(b[i+2])):
			return false
		}
	}
	return true
}

// isHost tells whether b can be a host with a port (RFC 9110 7.2). The bytes
// are those of names and addresses; userinfo, and lists that someone made of
// two Host fields, are not among them.
func isHost(b []byte) bool { return every(b, isHostByte) }

func isHostByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte(".-_~:[]%", c) >= 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// every tells whether b is not empty and ok holds for each of its bytes.
func every(b []byte, ok func(byte) bool) bool {
	for _, c := range b {
		if !ok(c) {
			return false
		}
	}
	return len(b) > 0
}

// findToken looks for token, in whatever case, in list, whose members are
// separated by commas and may be empty (RFC 9110 5.6.1). ok means that all
// members are tokens, or, as the protocols of Upgrade (7.8), two with a slash
// between them. What is not, a quoted comma above all, could be split otherwise
// by others.
func findToken(list []byte, token string) (found, ok bool) {
	for member := range bytes.SplitSeq(list, []byte(",")) {
		member = bytes.Trim(member, " \t")
		if len(member) > 0 && !every(member, isListByte) {
			return false, false
		}
		found = found || bytes.EqualFold(member, []byte(token))
	}
	return found, true
}

func isListByte(c byte) bool { return isToken(c) || c == '/' }
