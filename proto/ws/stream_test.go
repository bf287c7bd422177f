package ws

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// read gives b to a fresh Stream in pieces whose lengths cut deals. It returns
// the frames that became whole, as State tells them, and the error.
func read(t fataler, b []byte, lim Limits, cut func() int) (frames []string, err error) {
	b = bytes.Clone(b)
	var s Stream
	var payload []byte
	for have := 0; ; {
		c, n, err := s.Next(b[:have:have], lim)
		if err != nil {
			return frames, err
		}
		if n == 0 {
			if have > MaxHeader+MaxControl {
				t.Fatalf("%d bytes wait", have)
			}
			if have == len(b) {
				return frames, nil
			}
			have = min(len(b), have+max(1, cut()))
			continue
		}
		b, have = b[n:], have-n
		checkChunk(t, &c, len(payload))
		payload = append(payload, c.Payload...)
		if c.Left == 0 {
			frames = append(frames, Part{c.Op, c.First, c.Fin, payload}.text())
			payload = payload[:0]
		}
	}
}

// checkChunk checks what must hold of a chunk that follows so many bytes of its
// frame.
func checkChunk(t fataler, c *Chunk, at int) {
	if c.At() != at || at+len(c.Payload)+c.Left != c.Size {
		t.Fatalf("a chunk of %d bytes at %d, %d left of %d; %d bytes came before", len(c.Payload), c.At(), c.Left, c.Size, at)
	}
	if len(c.Payload) == 0 && c.Size > 0 || cap(c.Payload) != len(c.Payload) {
		t.Fatalf("a chunk of %d bytes in a frame of %d, capacity %d", len(c.Payload), c.Size, cap(c.Payload))
	}
	if c.Op.Control() && (c.Left > 0 || !c.First || !c.Fin) {
		t.Fatalf("control frame %+v", c)
	}
}

// agreeStream checks that a Stream says of b what a State says of its frames
// and utf8 of its texts.
func agreeStream(t fataler, b []byte, lim Limits, cut func() int) {
	frames, err := read(t, b, lim, cut)
	var s State
	var text []byte
	rest := bytes.Clone(b)
	for i := 0; ; i++ {
		p, n, stateErr := s.Next(rest, lim)
		if n > 0 && p.Op == OpText {
			text = append(text, p.Payload...)
			if !beginsText(string(text)) || p.Fin && !utf8.Valid(text) {
				if err != errTextUTF8 || i != len(frames) {
					t.Fatalf("%q is no text; the stream says %v after %d frames of %d", text, err, len(frames), i)
				}
				return
			}
			if p.Fin {
				text = nil
			}
		}
		if n == 0 || stateErr != nil {
			if i != len(frames) {
				t.Fatalf("%d frames, the stream has %q", i, frames)
			}
			// A Stream may refuse text in a frame that a State still waits for:
			// TestStreamFailsFast.
			if err != stateErr && (stateErr != nil || err != errTextUTF8) {
				t.Fatalf("the stream says %v, a State %v", err, stateErr)
			}
			return
		}
		if i >= len(frames) || frames[i] != p.text() {
			t.Fatalf("frame %d is %s; the stream has %q, %v", i, p.text(), frames, err)
		}
		rest = rest[n:]
	}
}

func TestStreamAgreesWithState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, lim := wire(t), Limits{Message: 300, Fragments: 3}
		agreeStream(t, b, lim, func() int { return len(b) })
		agreeStream(t, b, lim, func() int { return 1 })
		agreeStream(t, b, lim, func() int { return rapid.IntRange(1, 20).Draw(t, "cut") })
	})
}

// Text is refused by the byte that proves it wrong, within a frame, across
// frames, and whatever comes between them.
func TestStreamFailsFast(t *testing.T) {
	const good, bad = "κόσμε", "\xf4\x90\x80\x80edited"
	inOne := send(OpText, true, good+bad)
	head := len(inOne) - len(good+bad)
	cut := func() int { return 1 }
	for n := range len(inOne) {
		frames, err := read(t, inOne[:n], Limits{}, cut)
		if proven := n >= head+len(good)+2; proven != (err == errTextUTF8) || err != nil != proven || len(frames) > 0 {
			t.Fatalf("after %d bytes: %q, %v", n, frames, err)
		}
	}
	across := bytes.Join([][]byte{
		send(OpText, false, good+"\xf4"), send(OpPing, true, "\xff"), send(OpContinuation, false, ""), send(OpContinuation, false, "\x90"),
	}, nil)
	if frames, err := read(t, across, Limits{}, cut); err != errTextUTF8 || len(frames) != 3 {
		t.Errorf("across frames: %q, %v", frames, err)
	}
	if frames, err := read(t, across[:len(across)-1], Limits{}, cut); err != nil || len(frames) != 3 {
		t.Errorf("a byte earlier: %q, %v", frames, err)
	}
	for _, open := range []string{"\xc2", "\xe2\x82", "\xf0\x90\x80"} {
		for _, b := range [][]byte{send(OpText, true, open), append(send(OpText, false, open), send(OpContinuation, true, "")...)} {
			if _, err := read(t, b, Limits{}, cut); err != errTextUTF8 {
				t.Errorf("a message ends in %q: %v", open, err)
			}
		}
	}
}

// Binary is not looked at, and one message leaves nothing to the next.
func TestStreamMessagesAreSeparate(t *testing.T) {
	b := bytes.Join([][]byte{
		send(OpBinary, true, "\xff\xc2"), send(OpText, true, "\x80"[:0]), send(OpText, false, "\xc2"), send(OpContinuation, true, "\x80"),
		send(OpBinary, false, "\xc2"), send(OpContinuation, true, "\xff"), send(OpText, true, "a"),
	}, nil)
	if frames, err := read(t, b, Limits{}, func() int { return 3 }); err != nil || len(frames) != 7 {
		t.Errorf("%q, %v", frames, err)
	}
}

// A message longer than anybody wants to hold, in one frame: 4 MiB as chunks.
func TestStreamLongFrame(t *testing.T) {
	const size, pattern = 4 << 20, "0123456789abcdef"
	b := AppendMasked(nil, OpBinary, true, key, bytes.Repeat([]byte(pattern), size/len(pattern)))
	var s Stream
	for got := 0; got < size; {
		c, n, err := s.Next(b[:min(len(b), 14_601)], Limits{Message: size})
		if err != nil || n == 0 || c.At() != got || c.Payload[0] != pattern[got%16] {
			t.Fatalf("at %d: %+v, %d, %v", got, c, n, err)
		}
		got, b = got+len(c.Payload), b[n:]
	}
	if _, _, err := s.Next(AppendMasked(nil, OpBinary, true, key, make([]byte, 100)), Limits{Message: 99}); err != errTooBig {
		t.Errorf("over the limit: %v", err)
	}
}

// And one in more fragments than a State can count: with no bound on them it
// does not matter.
func TestStreamManyFragments(t *testing.T) {
	const fragments = math.MaxUint16 + 2
	more := send(OpContinuation, false, "")
	for bound, want := range map[int]error{-1: nil, 0: errFragments, math.MaxInt: errFragments} {
		lim := Limits{Fragments: bound}
		var s Stream
		_, _, err := s.Next(send(OpText, false, "a"), lim)
		for i := 1; i < fragments && err == nil; i++ {
			_, _, err = s.Next(more, lim)
		}
		if err != want {
			t.Errorf("bound %d: %v, want %v", bound, err, want)
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add(send(OpText, true, "κόσμε"), 3)
	f.Add(append(send(OpText, false, "a\xc2"), send(OpContinuation, true, "\x80")...), 1)
	f.Add(append(send(OpBinary, true, strings.Repeat("a", 200)), send(OpClose, true, "\x03\xe8bye")...), 7)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		b = b[:min(len(b), 1<<10)]
		agreeStream(t, b, Limits{Message: 300, Fragments: 8}, func() int { return cut })
	})
}

func BenchmarkStream(b *testing.B) {
	for _, size := range []int{26, 1000, 60_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			in := AppendMasked(nil, OpText, true, [4]byte{}, bytes.Repeat([]byte("a"), size))
			b.SetBytes(int64(size))
			var s Stream
			for b.Loop() {
				if _, n, err := s.Next(in, Limits{}); n != len(in) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
