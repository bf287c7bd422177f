package ws

import "unicode/utf8"

// Text checks that a text message is UTF-8 while its bytes come, however they
// are cut (RFC 6455 5.6: "a particular text frame might include a partial
// UTF-8 sequence; however, the whole message MUST contain valid UTF-8"). The
// zero Text is that of a message not begun. It takes 4 bytes, no pointer.
type Text struct {
	begun [utf8.UTFMax - 1]byte // of a character that is not whole
	n     uint8                 // how many
}

// Take reads more of the message. False means that what has come is not the
// beginning of any UTF-8: told with the first byte that proves it, even inside
// a character, so that a server need not wait for the end to close with
// CodeInvalidData. After that the Text is of no use.
func (t *Text) Take(b []byte) bool {
	if t.n > 0 {
		var ok bool
		if b, ok = t.finish(b); !ok || t.n > 0 {
			return ok
		}
	}
	whole := endOfWhole(b)
	// The standard library's goes through ASCII 8 bytes at a time.
	if !utf8.Valid(b[:whole]) {
		return false
	}
	t.n = uint8(copy(t.begun[:], b[whole:]))
	return true
}

// Whole tells whether no character is begun, as at the end of a message.
func (t *Text) Whole() bool { return t.n == 0 }

// finish gives bytes of b to the character begun until it is whole, or b is
// used up. rest is what comes behind it.
func (t *Text) finish(b []byte) (rest []byte, ok bool) {
	var char [utf8.UTFMax]byte
	n := copy(char[:], t.begun[:t.n])
	for i, c := range b {
		char[n] = c
		n++
		// FullRune also holds as soon as no byte could mend it, and always for
		// four bytes, so char is long enough.
		if utf8.FullRune(char[:n]) {
			t.n = 0
			return b[i+1:], utf8.Valid(char[:n])
		}
	}
	t.n = uint8(copy(t.begun[:], char[:n]))
	return nil, true
}

// endOfWhole is where in b a last character begins that is not whole and could
// become so; len(b) if there is none.
func endOfWhole(b []byte) int {
	for i := len(b) - 1; i >= max(0, len(b)-(utf8.UTFMax-1)); i-- {
		if !utf8.RuneStart(b[i]) {
			continue
		}
		if utf8.FullRune(b[i:]) {
			break
		}
		return i
	}
	return len(b)
}
