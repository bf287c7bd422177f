package swarm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// parseAll feeds pieces to a parser as a loop does, and lists what it found:
// an op, a seq and as much of the body as any cut leaves.
func parseAll(pieces [][]byte, overWS bool) (found []string, left int, err error) {
	var p parser
	var rest []byte
	for _, piece := range pieces {
		b := append(rest, piece...)
		for {
			it, ok, n, err := p.next(b, overWS)
			if err != nil {
				return found, len(b), err
			}
			if ok {
				found = append(found, tell(it.control, it.op, it.seq, it.body))
			}
			b = b[n:]
			if n == 0 && !ok {
				break
			}
		}
		rest = b
	}
	return found, len(rest) + int(p.skip), nil
}

// tell writes an item down; only a stamp's length of a body is sure to be
// told.
func tell(control ws.Opcode, op frame.Op, seq uint32, body []byte) string {
	if control != 0 {
		return fmt.Sprintf("control %d %q", control, body)
	}
	return fmt.Sprintf("%d %d %q", op, seq, body[:min(len(body), 24)])
}

func f(op frame.Op, seq uint32, body string) []byte { return frame.Append(nil, op, seq, []byte(body)) }

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func message(payload ...[]byte) []byte { return ws.AppendFrame(nil, ws.OpBinary, join(payload...)) }

// fragments is a message cut after the sizes.
func fragments(b []byte, sizes ...int) (out []byte) {
	op := ws.OpBinary
	for _, n := range sizes {
		out = append(ws.AppendHeader(out, op, false, n), b[:n]...)
		op, b = ws.OpContinuation, b[n:]
	}
	return append(ws.AppendHeader(out, op, true, len(b)), b...)
}

var long = strings.Repeat("0123456789", 30)

func TestParser(t *testing.T) {
	for _, c := range []struct {
		name string
		ws   bool
		in   []byte
		want string // items, semicolons between; "!" for a fault
	}{
		{"nothing", false, nil, ""},
		{"an empty frame", false, f(8, 1, ""), `8 1 ""`},
		{"two frames", false, join(f(8, 1, ""), f(1000, 0, "abc")), `8 1 "";1000 0 "abc"`},
		{"a long body", false, join(f(1000, 0, long), f(3, 2, "abcd")), `1000 0 "012345678901234567890123";3 2 "abcd"`},
		{"a short length", false, join(f(1000, 0, ""), []byte{0, 0, 0, 15, 0, 16, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0}), `1000 0 "";!`},
		{"a huge length", false, []byte{0xff, 0, 0, 15, 0, 16, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0}, `!`},
		{"a bad header length", false, []byte{0, 0, 0, 16, 0, 17, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0}, `!`},
		{"a bad version", false, []byte{0, 0, 0, 16, 0, 16, 0, 2, 0, 0, 0, 8, 0, 0, 0, 0}, `!`},
		{"a batch on TCP", false, f(9, 0, ""), `!`},

		{"a message", true, message(f(8, 1, "")), `8 1 ""`},
		{"a message of 300 bytes", true, join(message(f(1000, 0, long)), message(f(8, 1, ""))), `1000 0 "012345678901234567890123";8 1 ""`},
		{"a batch", true, message(f(9, 0, string(join(f(1000, 0, "a"), f(1001, 0, long), f(1002, 0, ""))))), `1000 0 "a";1001 0 "012345678901234567890123";1002 0 ""`},
		{"an empty batch", true, join(message(f(9, 0, "")), message(f(8, 1, ""))), `8 1 ""`},
		{"a ping between", true, join(message(f(8, 1, "")), ws.AppendFrame(nil, ws.OpPing, []byte("hi")), message(f(3, 2, ""))), `8 1 "";control 9 "hi";3 2 ""`},
		{"a close", true, ws.AppendClose(nil, 1001, "away"), `control 8 "\x03\xe9away"`},
		{"text", true, ws.AppendFrame(nil, ws.OpText, f(8, 1, "")), `!`},
		{"masked", true, ws.AppendMasked(nil, ws.OpBinary, true, maskKey, f(8, 1, "")), `!`},
		{"fragments", true, join(fragments(f(1000, 0, long), 40, 1, 0, 200), message(f(8, 1, ""))), `1000 0 "012345678901234567890123";8 1 ""`},
		{"a last fragment of nothing", true, fragments(f(8, 1, ""), 16), `8 1 ""`},
		{"a ping between fragments", true, join(fragments(f(1000, 0, long), 50)[:52], ws.AppendFrame(nil, ws.OpPing, nil),
			fragments(f(1000, 0, long), 50)[52:]), `1000 0 "012345678901234567890123";control 9 ""`},
		{"a head in two fragments", true, fragments(f(1000, 0, long), 39), `!`},
		{"a fragment too long", true, join(fragments(f(1000, 0, long), 50)[:52], ws.AppendHeader(nil, ws.OpContinuation, true, 267)), `1000 0 "012345678901234567890123";!`},
		{"a fragment too short", true, join(fragments(f(1000, 0, long), 50)[:52], ws.AppendHeader(nil, ws.OpContinuation, true, 265)), `1000 0 "012345678901234567890123";!`},
		{"a message between fragments", true, join(fragments(f(1000, 0, long), 50)[:52], message(f(8, 1, ""))), `1000 0 "012345678901234567890123";!`},
		{"a fragment without a beginning", true, ws.AppendFrame(nil, ws.OpContinuation, f(8, 1, "")), `!`},
		{"a message too short for a frame", true, message([]byte("short")), `!`},
		{"a message with more than its frame", true, message(f(8, 1, ""), []byte("x")), `!`},
		{"a message with less than its frame", true, join(ws.AppendHeader(nil, ws.OpBinary, true, 17), f(8, 1, "ab")), `!`},
		{"a batch that ends in a header", true, message(f(9, 0, string(join(f(1000, 0, "a"), []byte("12345"))))), `1000 0 "a";!`},
		{"a batch whose frame is longer than it", true, join(ws.AppendHeader(nil, ws.OpBinary, true, 16+17), f(9, 0, ""), f(1000, 0, "ab")), `!`},
		{"a batch in a batch", true, message(f(9, 0, string(f(9, 0, "")))), `!`},
	} {
		for _, size := range []int{1, 2, 3, 7, 16, 17, 1 << 20} {
			var pieces [][]byte
			for b := c.in; len(b) > 0; b = b[min(size, len(b)):] {
				pieces = append(pieces, b[:min(size, len(b))])
			}
			found, left, err := parseAll(pieces, c.ws)
			if err != nil {
				if found = append(found, "!"); !errors.Is(err, errProtocol) {
					t.Errorf("%s: %v", c.name, err)
				}
			} else if left != 0 {
				t.Errorf("%s in pieces of %d: %d bytes are left", c.name, size, left)
			}
			if got := strings.Join(found, ";"); got != c.want {
				t.Errorf("%s in pieces of %d: got %s, want %s", c.name, size, got, c.want)
			}
		}
	}
}

// However a stream is cut, the same items come out, and what waits is never
// longer than a head.
func TestParserWhereverCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		overWS := rapid.Bool().Draw(t, "ws")
		one := rapid.Custom(func(t *rapid.T) []byte {
			op := frame.Op(rapid.SampledFrom([]uint32{3, 8, 13, 100, 1000}).Draw(t, "op"))
			return frame.Append(nil, op, rapid.Uint32().Draw(t, "seq"), make([]byte, rapid.IntRange(0, 400).Draw(t, "size")))
		})
		var stream []byte
		var want []string
		for range rapid.IntRange(0, 8).Draw(t, "messages") {
			frames := rapid.SliceOfN(one, 1, 4).Draw(t, "frames")
			for _, b := range frames {
				x, _ := frame.Exact(b, len(b))
				want = append(want, tell(0, x.Op, x.Seq, x.Body))
			}
			switch {
			case !overWS:
				stream = append(stream, join(frames...)...)
			case len(frames) == 1:
				stream = append(stream, message(frames[0])...)
			default:
				stream = append(stream, message(frame.Append(nil, frame.OpBatch, 0, join(frames...)))...)
				if at := rapid.IntRange(40, 500).Draw(t, "fragment"); at < len(frames[0]) {
					x, _ := frame.Exact(frames[0], len(frames[0]))
					want = append(want, tell(0, x.Op, x.Seq, x.Body))
					stream = append(stream, fragments(frames[0], at)...)
				}
			}
		}
		var pieces [][]byte
		for b := stream; len(b) > 0; {
			n := rapid.IntRange(1, len(b)).Draw(t, "cut")
			pieces, b = append(pieces, b[:n]), b[n:]
		}
		found, left, err := parseAll(pieces, overWS)
		if err != nil || left != 0 || strings.Join(found, ";") != strings.Join(want, ";") {
			t.Fatalf("%v, %d left:\n%s\nwant\n%s", err, left, strings.Join(found, "\n"), strings.Join(want, "\n"))
		}
	})
}

// What the parser takes for frames, proto/frame and proto/ws do too.
func FuzzParser(f *testing.F) {
	f.Add(frame.Append(nil, 1000, 0, []byte(long)), false, 5)
	f.Add(message(frame.Append(nil, frame.OpBatch, 0, frame.Append(nil, 1000, 0, []byte(long)))), true, 3)
	f.Add(ws.AppendFrame(nil, ws.OpPing, []byte("x")), true, 1)
	f.Fuzz(func(t *testing.T, in []byte, overWS bool, cut int) {
		whole, _, errWhole := parseAll([][]byte{in}, overWS)
		at := min(max(cut, 0), len(in))
		parts, _, errParts := parseAll([][]byte{in[:at], in[at:]}, overWS)
		if strings.Join(whole, ";") != strings.Join(parts, ";") || (errWhole == nil) != (errParts == nil) {
			t.Fatalf("whole %q %v, cut at %d %q %v", whole, errWhole, at, parts, errParts)
		}
		want, ok := oracle(in, overWS)
		if ok && (errWhole != nil || strings.Join(whole, ";") != strings.Join(want, ";")) {
			t.Fatalf("got %q %v, want %q", whole, errWhole, want)
		}
		if !ok && errWhole == nil && len(in) < 1<<10 {
			// A stream that ends early is no fault to the parser.
			if _, left, _ := parseAll([][]byte{in}, overWS); left == 0 && !midMessage(in, overWS) {
				t.Fatalf("got %q of what is no protocol", whole)
			}
		}
	})
}

// oracle reads all of in by the server's own codecs; false if it is not whole.
func oracle(in []byte, overWS bool) (found []string, ok bool) {
	for len(in) > 0 {
		if !overWS {
			x, n, err := frame.Next(in, frame.HeaderLen+maxBody)
			if err != nil || n == 0 || x.Op == frame.OpBatch {
				return nil, false
			}
			found, in = append(found, tell(0, x.Op, x.Seq, x.Body)), in[n:]
			continue
		}
		h, n, err := ws.ParseHeader(in)
		if err != nil || n == 0 || h.Masked || h.Len > int64(len(in)-n) {
			return nil, false
		}
		payload := in[n : n+int(h.Len)]
		in = in[n+int(h.Len):]
		if h.Op.Control() {
			found = append(found, tell(h.Op, 0, 0, payload))
			continue
		}
		if h.Op != ws.OpBinary || !h.Fin {
			return nil, false
		}
		x, err := frame.Exact(payload, frame.HeaderLen+maxBody)
		if err != nil {
			return nil, false
		}
		if x.Op != frame.OpBatch {
			found = append(found, tell(0, x.Op, x.Seq, x.Body))
			continue
		}
		for y, err := range frame.Frames(x.Body, frame.HeaderLen+maxBody) {
			if err != nil {
				return nil, false
			}
			found = append(found, tell(0, y.Op, y.Seq, y.Body))
		}
	}
	return found, true
}

// midMessage tells whether in ends within a WebSocket message.
func midMessage(in []byte, overWS bool) bool {
	var p parser
	for len(in) > 0 {
		_, _, n, err := p.next(in, overWS)
		if err != nil || n == 0 {
			break
		}
		in = in[n:]
	}
	return p.payload > 0 || p.goesOn
}

func TestParserAllocatesNothing(t *testing.T) {
	in := message(f(9, 0, string(join(f(1000, 0, long), f(1000, 0, long)))))
	if n := testing.AllocsPerRun(100, func() {
		var p parser
		for b := in; len(b) > 0; {
			_, _, n, err := p.next(b, true)
			if n == 0 || err != nil {
				t.Fatal(n, err)
			}
			b = b[n:]
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
