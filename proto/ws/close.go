package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// codeLen is what the code takes of a Close frame's payload.
const codeLen = 2

// ParseClose reads the payload of a Close frame. An empty one is CodeNone.
// reason aliases payload. The error is a *CloseError.
func ParseClose(payload []byte) (code uint16, reason []byte, err error) {
	switch {
	case len(payload) == 0:
		return CodeNone, nil, nil
	case len(payload) < codeLen:
		// RFC 6455 5.5.1: "If there is a body, the first two bytes of the body
		// MUST be a 2-byte unsigned integer".
		return 0, nil, errCloseLen
	}
	code, reason = binary.BigEndian.Uint16(payload), payload[codeLen:]
	if !sendable(code) {
		return 0, nil, errCloseCode
	}
	if !utf8.Valid(reason) {
		// 8.1: a byte stream that is not valid UTF-8 fails the connection.
		return 0, nil, errCloseUTF8
	}
	return code, reason, nil
}

// sendable tells whether a Close frame may carry code: those that RFC 6455
// 7.4.1 defines but 1004, 1005, 1006 and 1015, the three that IANA has added,
// and 3000 to 4999 (7.4.2).
func sendable(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1011:
		return true
	case code >= 1012 && code <= 1014: // restart, try again later, bad gateway
		return true
	}
	return code >= 3000 && code <= 4999
}

// AppendClose appends a server's Close frame. A code that may not be sent
// (CodeNone, the answer to a Close without one) gives an empty payload; a
// reason is cut to the 123 bytes that fit, between characters.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	if !sendable(code) {
		return AppendHeader(dst, OpClose, true, 0)
	}
	reason = fit(reason, MaxControl-codeLen)
	dst = AppendHeader(dst, OpClose, true, codeLen+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, code)
	return append(dst, reason...)
}

// fit is the longest beginning of s that has at most n bytes and ends no
// character in the middle.
func fit(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
