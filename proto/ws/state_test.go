package ws

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"testing"
	"unsafe"
)

var key = [4]byte{0xa1, 0x5e, 0x00, 0xff}

// send makes a client's frame.
func send(op Opcode, fin bool, payload string) []byte {
	return AppendMasked(nil, op, fin, key, []byte(payload))
}

// text is what a test expects of a Part.
func (p Part) text() string {
	return fmt.Sprintf("%d first=%v fin=%v %q", p.Op, p.First, p.Fin, p.Payload)
}

// run gives all of b to s and returns the parts that come of it.
func run(s *State, b []byte, lim Limits) (parts []string, left int, err error) {
	b = bytes.Clone(b)
	for len(b) > 0 {
		p, n, err := s.Next(b, lim)
		if err != nil || n == 0 {
			return parts, len(b), err
		}
		parts = append(parts, p.text())
		b = b[n:]
	}
	return parts, 0, nil
}

func TestStateIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(State{}); size > 8 {
		t.Errorf("a State takes %d bytes of each link", size)
	}
	for i := range reflect.TypeFor[State]().NumField() {
		switch f := reflect.TypeFor[State]().Field(i); f.Type.Kind() {
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Bool:
		default:
			t.Errorf("%s is a %v, which the collector may have to look at", f.Name, f.Type)
		}
	}
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		name   string
		frames [][]byte
		want   []string
	}{
		{"message", [][]byte{send(OpBinary, true, "abc")}, []string{`2 first=true fin=true "abc"`}},
		{"empty message", [][]byte{send(OpBinary, true, "")}, []string{`2 first=true fin=true ""`}},
		{"text", [][]byte{send(OpText, true, "é")}, []string{`1 first=true fin=true "é"`}},
		{"two messages", [][]byte{send(OpBinary, true, "a"), send(OpBinary, true, "b")},
			[]string{`2 first=true fin=true "a"`, `2 first=true fin=true "b"`}},
		{"fragments", [][]byte{send(OpBinary, false, "a"), send(OpContinuation, false, ""), send(OpContinuation, true, "b")},
			[]string{`2 first=true fin=false "a"`, `2 first=false fin=false ""`, `2 first=false fin=true "b"`}},
		{"control frames between fragments", [][]byte{
			send(OpText, false, "a"), send(OpPing, true, "p"), send(OpPong, true, ""), send(OpContinuation, true, "b"), send(OpBinary, true, "c"),
		}, []string{
			`1 first=true fin=false "a"`, `9 first=true fin=true "p"`, `10 first=true fin=true ""`,
			`1 first=false fin=true "b"`, `2 first=true fin=true "c"`,
		}},
		{"longest ping", [][]byte{send(OpPing, true, string(make([]byte, 125)))},
			[]string{fmt.Sprintf("9 first=true fin=true %q", make([]byte, 125))}},
		{"close", [][]byte{send(OpClose, true, "\x03\xe8bye")}, []string{`8 first=true fin=true "\x03\xe8bye"`}},
		{"close without code", [][]byte{send(OpClose, true, "")}, []string{`8 first=true fin=true ""`}},
		{"close within a message", [][]byte{send(OpBinary, false, "a"), send(OpClose, true, "")},
			[]string{`2 first=true fin=false "a"`, `8 first=true fin=true ""`}},
	} {
		var s State
		parts, left, err := run(&s, bytes.Join(c.frames, nil), Limits{})
		if err != nil || left != 0 || fmt.Sprint(parts) != fmt.Sprint(c.want) {
			t.Errorf("%s: %q, %d left, %v; want %q", c.name, parts, left, err, c.want)
		}
	}
}

func TestNextRefuses(t *testing.T) {
	begun := send(OpBinary, false, "a")
	for _, c := range []struct {
		name   string
		before []byte // read without complaint
		in     []byte
		want   *CloseError
		code   uint16
		at     int // bytes of in that show it
	}{
		{"unmasked", nil, AppendFrame(nil, OpBinary, []byte("abc")), errUnmasked, 1002, 2},
		{"unmasked ping", nil, AppendFrame(nil, OpPing, nil), errUnmasked, 1002, 2},
		{"unmasked of 64 bits", nil, AppendHeader(nil, OpBinary, true, 65536), errUnmasked, 1002, 10},
		{"orphan", nil, send(OpContinuation, true, "a"), errOrphan, 1002, 6},
		{"orphan without end", nil, send(OpContinuation, false, "a"), errOrphan, 1002, 6},
		{"orphan after a whole message", send(OpBinary, true, "a"), send(OpContinuation, true, ""), errOrphan, 1002, 6},
		{"orphan after fragments", append(bytes.Clone(begun), send(OpContinuation, true, "")...), send(OpContinuation, true, ""), errOrphan, 1002, 6},
		{"interleaved", begun, send(OpBinary, true, "b"), errInterleaved, 1002, 6},
		{"interleaved, other kind, no end", begun, send(OpText, false, "b"), errInterleaved, 1002, 6},
		{"close of one byte", nil, send(OpClose, true, "\x03"), errCloseLen, 1002, 6},
		{"close of a bad code", nil, send(OpClose, true, "\x03\xed"), errCloseCode, 1002, 8},
		{"close of bad UTF-8", nil, send(OpClose, true, "\x03\xe8\xff"), errCloseUTF8, 1007, 9},
		{"message over the limit", nil, send(OpBinary, true, string(make([]byte, 17))), errTooBig, 1009, 6},
		{"fragments over the limit", append(bytes.Clone(begun), send(OpContinuation, false, string(make([]byte, 15)))...),
			send(OpContinuation, false, "b"), errTooBig, 1009, 6},
		{"fragments beyond count", append(bytes.Clone(begun), bytes.Repeat(send(OpContinuation, false, ""), 3)...),
			send(OpContinuation, true, ""), errFragments, 1008, 6},
		{"data after close", send(OpClose, true, ""), send(OpBinary, true, "a"), errAfterClose, 1002, 1},
		{"close after close", send(OpClose, true, ""), send(OpClose, true, ""), errAfterClose, 1002, 1},
		{"what a header breaks", nil, []byte{0xc2, 0x80}, errReserved, 1002, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			lim := Limits{Message: 16, Fragments: 4}
			var s State
			if _, left, err := run(&s, c.before, lim); err != nil || left != 0 {
				t.Fatalf("before: %d left, %v", left, err)
			}
			fresh := s
			if p, n, err := s.Next(bytes.Clone(c.in), lim); err != c.want || n != 0 || p.Payload != nil {
				t.Errorf("%+v, n %d, %v; want %v", p, n, err, c.want)
			}
			if c.want.Code != c.code {
				t.Errorf("code %d, want %d", c.want.Code, c.code)
			}
			s = fresh
			if _, _, err := s.Next(bytes.Clone(c.in[:c.at]), lim); err != c.want {
				t.Errorf("%d bytes show it; got %v", c.at, err)
			}
			s = fresh
			if _, n, err := s.Next(bytes.Clone(c.in[:c.at-1]), lim); n != 0 || err != nil || s != fresh {
				t.Errorf("%d bytes show nothing yet; got n %d, %v", c.at-1, n, err)
			}
		})
	}
}

// A message may have exactly the limit, in any number of fragments, and the
// next one has all of it again.
func TestNextTakesTheLimit(t *testing.T) {
	lim := Limits{Message: 200, Fragments: 3}
	part := string(make([]byte, 100))
	message := bytes.Join([][]byte{
		send(OpBinary, false, part), send(OpContinuation, false, part), send(OpContinuation, true, ""),
	}, nil)
	var s State
	parts, left, err := run(&s, bytes.Repeat(message, 5), lim)
	if err != nil || left != 0 || len(parts) != 15 {
		t.Errorf("%d parts, %d left, %v", len(parts), left, err)
	}
}

func TestLimitsDefaults(t *testing.T) {
	over := AppendMasked(nil, OpBinary, true, key, make([]byte, 1<<20+1))
	var s State
	if _, _, err := s.Next(over[:MaxHeader], Limits{}); err != errTooBig {
		t.Errorf("1 MiB and a byte: %v", err)
	}
	exact := AppendMasked(nil, OpBinary, true, key, make([]byte, 1<<20))
	if _, n, err := s.Next(exact, Limits{}); err != nil || n != len(exact) {
		t.Errorf("1 MiB: n %d, %v", n, err)
	}
	// The threat itself: 10,000 empty continuations.
	flood := append(send(OpBinary, false, ""), bytes.Repeat(send(OpContinuation, false, ""), 10_000)...)
	parts, _, err := run(&s, flood, Limits{})
	if err != errFragments || len(parts) != 128 {
		t.Errorf("%d fragments taken, %v", len(parts), err)
	}
}

// Limits beyond what a State can count are what it can count.
func TestLimitsEnds(t *testing.T) {
	huge := Limits{Message: math.MaxInt, Fragments: math.MaxInt}
	flood := append(send(OpBinary, false, ""), bytes.Repeat(send(OpContinuation, false, ""), math.MaxUint16)...)
	var s State
	parts, _, err := run(&s, flood, huge)
	if err != errFragments || len(parts) != math.MaxUint16 {
		t.Errorf("%d fragments taken, %v", len(parts), err)
	}
	s = State{op: OpBinary, size: math.MaxInt32 - 1}
	if _, n, err := s.Next(send(OpContinuation, false, "a"), huge); err != nil || n == 0 {
		t.Errorf("the last byte of 2 GiB: n %d, %v", n, err)
	}
	if _, _, err := s.Next(send(OpContinuation, false, "a"), huge); err != errTooBig {
		t.Errorf("a byte more: %v", err)
	}
}

// Bytes are unmasked once, when all of them are there, and in place.
func TestNextUnmasksInPlace(t *testing.T) {
	in := append(send(OpBinary, true, "abcdefghijk"), 0xff)
	before := bytes.Clone(in)
	var s State
	for k := range len(in) - 1 {
		if _, n, err := s.Next(in[:k], Limits{}); n != 0 || err != nil {
			t.Fatalf("cut at %d: n %d, %v", k, n, err)
		}
		if !bytes.Equal(in, before) {
			t.Fatalf("cut at %d: bytes have changed", k)
		}
	}
	p, n, err := s.Next(in, Limits{})
	if err != nil || n != len(in)-1 || string(p.Payload) != "abcdefghijk" {
		t.Fatalf("%+v, n %d, %v", p, n, err)
	}
	if &p.Payload[0] != &in[6] || cap(p.Payload) != len(p.Payload) {
		t.Error("the payload is a copy, or reaches into what follows")
	}
	if in[n] != 0xff {
		t.Error("the byte behind the frame has changed")
	}
}
