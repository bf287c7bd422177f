package ws

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// wire draws what a client could send: frames, mostly right ones.
func wire(t *rapid.T) []byte {
	var b []byte
	for range rapid.IntRange(0, 6).Draw(t, "frames") {
		op := rapid.SampledFrom([]Opcode{0, 0, 1, 2, 2, 8, 9, 10, 3}).Draw(t, "op")
		payload := rapid.SliceOfN(rapid.Byte(), 0, 130).Draw(t, "payload")
		var key [4]byte
		copy(key[:], rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "key"))
		b = AppendMasked(b, op, rapid.Bool().Draw(t, "fin"), key, payload)
	}
	if len(b) > 0 && rapid.Bool().Draw(t, "spoil") {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	return b
}

// history is all that a State says of b, given to it in pieces whose lengths
// cut deals.
func history(b []byte, lim Limits, cut func() int) string {
	b = bytes.Clone(b)
	var out bytes.Buffer
	var s State
	for have := 0; ; {
		p, n, err := s.Next(b[:have:have], lim)
		if err != nil {
			fmt.Fprintf(&out, "error %v", err)
			return out.String()
		}
		if n > 0 {
			fmt.Fprintf(&out, "%s\n", p.text())
			b, have = b[n:], have-n
			continue
		}
		if have == len(b) {
			fmt.Fprintf(&out, "%d left", have)
			return out.String()
		}
		have = min(len(b), have+cut())
	}
}

func TestNextHoweverCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, lim := wire(t), Limits{Message: 300, Fragments: 3}
		whole := history(b, lim, func() int { return len(b) })
		if drip := history(b, lim, func() int { return 1 }); drip != whole {
			t.Fatalf("% x\nat once:\n%s\nbyte by byte:\n%s", b, whole, drip)
		}
		pieces := func() int { return rapid.IntRange(1, 20).Draw(t, "cut") }
		if cut := history(b, lim, pieces); cut != whole {
			t.Fatalf("% x\nat once:\n%s\nin pieces:\n%s", b, whole, cut)
		}
	})
}

// A message comes out as it went in, whatever its fragments and what is sent
// between them.
func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fragments := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 200), 1, 10).Draw(t, "fragments")
		var b []byte
		op := OpBinary
		for i, f := range fragments {
			b = AppendMasked(b, op, i == len(fragments)-1, key, f)
			op = OpContinuation
			if i < len(fragments)-1 && rapid.Bool().Draw(t, "ping") {
				b = AppendMasked(b, OpPing, true, key, f[:min(len(f), MaxControl)])
			}
		}
		var s State
		var got []byte
		for len(b) > 0 {
			p, n, err := s.Next(b, Limits{})
			if err != nil || n == 0 {
				t.Fatalf("n %d, %v", n, err)
			}
			if p.Op == OpBinary {
				got = append(got, p.Payload...)
			}
			b = b[n:]
		}
		if s != (State{}) || !bytes.Equal(got, bytes.Join(fragments, nil)) {
			t.Fatalf("%x, state %+v", got, s)
		}
	})
}
