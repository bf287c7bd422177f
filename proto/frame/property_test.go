package frame

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// outcome is what Next says, in a form to compare.
func outcome(f Frame, n int, err error) string {
	return fmt.Sprintf("n %d op %d seq %d body %x err %v", n, f.Op, f.Seq, f.Body, err)
}

// drip gives b to Next byte by byte, as a slow link would, and returns what it
// says when it first says something; after all of b if it never does.
func drip(b []byte, max int) string {
	for k := range len(b) {
		if f, n, err := Next(b[:k], max); n != 0 || err != nil {
			return outcome(f, n, err)
		}
	}
	return outcome(Next(b, max))
}

// wire draws bytes that are often frames, and often nearly.
func wire(t *rapid.T) []byte {
	var b []byte
	for range rapid.IntRange(0, 3).Draw(t, "frames") {
		op := Op(rapid.Uint32().Draw(t, "op"))
		b = Append(b, op, rapid.Uint32().Draw(t, "seq"), rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "body"))
	}
	if len(b) > 0 && rapid.Bool().Draw(t, "spoil") {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	return append(b, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "tail")...)
}

// However the bytes are cut, the answer is the same.
func TestNextByteByByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, max := wire(t), rapid.IntRange(0, 100).Draw(t, "max")
		if whole, cut := outcome(Next(b, max)), drip(b, max); whole != cut {
			t.Fatalf("%x\nat once:      %s\nbyte by byte: %s", b, whole, cut)
		}
	})
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		op, seq := Op(rapid.Uint32().Draw(t, "op")), rapid.Uint32().Draw(t, "seq")
		body := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "body")
		b := Append(nil, op, seq, body)
		f, err := Exact(b, len(b))
		if err != nil || f.Op != op || f.Seq != seq || !bytes.Equal(f.Body, body) {
			t.Fatalf("%x: %+v, %v", b, f, err)
		}
	})
}

// A batch of random pushes is read as these.
func TestFramesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 30), 0, 8).Draw(t, "bodies")
		var body []byte
		for i, b := range want {
			body = Append(body, MinPushOp, uint32(i), b)
		}
		i := 0
		for f, err := range Frames(body, 64) {
			if err != nil || f.Seq != uint32(i) || !bytes.Equal(f.Body, want[i]) {
				t.Fatalf("frame %d: %+v, %v", i, f, err)
			}
			i++
		}
		if i != len(want) {
			t.Fatalf("%d frames, want %d", i, len(want))
		}
	})
}
