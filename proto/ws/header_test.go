package ws

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// Frames byte by byte; the first three are the examples of RFC 6455 5.7.
func TestAppendDrawn(t *testing.T) {
	hello := []byte("Hello")
	for _, c := range []struct {
		name      string
		got, want []byte
	}{
		{"text, unmasked", AppendFrame(nil, OpText, hello), []byte{
			0x81, // FIN, text
			0x05, // not masked, 5 bytes
			'H', 'e', 'l', 'l', 'o',
		}},
		{"text, masked", AppendMasked(nil, OpText, true, [4]byte{0x37, 0xfa, 0x21, 0x3d}, hello), []byte{
			0x81,                   // FIN, text
			0x85,                   // masked, 5 bytes
			0x37, 0xfa, 0x21, 0x3d, // key
			0x7f, 0x9f, 0x4d, 0x51, 0x58,
		}},
		{"binary of 256 bytes", AppendHeader(nil, OpBinary, true, 256), []byte{
			0x82,       // FIN, binary
			0x7e,       // 16 bits of length follow
			0x01, 0x00, // 256
		}},
		{"binary of 64 KiB", AppendHeader(nil, OpBinary, true, 65536), []byte{
			0x82,                         // FIN, binary
			0x7f,                         // 64 bits of length follow
			0, 0, 0, 0, 0, 0x01, 0x00, 0, // 65536
		}},
		{"first fragment", AppendHeader(nil, OpBinary, false, 3), []byte{0x02, 0x03}},
		{"last fragment", AppendHeader(nil, OpContinuation, true, 3), []byte{0x80, 0x03}},
		{"ping", AppendFrame(nil, OpPing, nil), []byte{0x89, 0x00}},
		{"close", AppendClose(nil, 3005, "draining"), []byte{
			0x88,       // FIN, close
			0x0a,       // 10 bytes
			0x0b, 0xbd, // 3005
			'd', 'r', 'a', 'i', 'n', 'i', 'n', 'g',
		}},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: % x, want % x", c.name, c.got, c.want)
		}
	}
}

// lengths are those at which the encoding of a length changes.
var lengths = []int{0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 1 << 20}

func TestParseHeaderBoundaries(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	for _, size := range lengths {
		for _, masked := range []bool{false, true} {
			want := Header{Op: OpBinary, Fin: true, Len: int64(size)}
			b := AppendHeader(nil, OpBinary, true, size)
			if masked {
				b = AppendMasked(nil, OpBinary, true, key, make([]byte, size))
				want.Masked, want.Key = true, key
			}
			head := 2
			if size > 125 {
				head += 2
			}
			if size > 65535 {
				head += 6
			}
			if masked {
				head += 4
			}
			h, n, err := ParseHeader(b)
			if err != nil || n != head || h != want {
				t.Errorf("%d bytes, masked %v: %+v, n %d, %v", size, masked, h, n, err)
			}
			for k := range head {
				if _, n, err := ParseHeader(b[:k]); n != 0 || err != nil {
					t.Errorf("%d bytes, masked %v, cut at %d: n %d, %v", size, masked, k, n, err)
				}
			}
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	cases := []struct {
		name string
		in   []byte
		want error
		at   int
	}{
		{"reserved bit 1", []byte{0xc2, 0x80}, errReserved, 1},
		{"reserved bit 2", []byte{0xa2, 0x80}, errReserved, 1},
		{"reserved bit 3", []byte{0x92, 0x80}, errReserved, 1},
		{"reserved bit on a control frame", []byte{0xc9, 0x80}, errReserved, 1},
		{"fragmented close", []byte{0x08, 0x80}, errControlFin, 1},
		{"fragmented ping", []byte{0x09, 0x80}, errControlFin, 1},
		{"fragmented pong", []byte{0x0a, 0x80}, errControlFin, 1},
		{"ping of 126 bytes", []byte{0x89, 0xfe, 0, 126}, errControlLen, 2},
		{"ping of 64 bits", []byte{0x89, 0xff, 0, 0, 0, 0, 0, 0, 0, 1}, errControlLen, 2},
		{"0 in 16 bits", []byte{0x82, 0xfe, 0, 0}, errLenMinimal, 4},
		{"125 in 16 bits", []byte{0x82, 0xfe, 0, 125}, errLenMinimal, 4},
		{"0 in 64 bits", []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}, errLenMinimal, 10},
		{"125 in 64 bits", []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 125}, errLenMinimal, 10},
		{"65,535 in 64 bits", []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, errLenMinimal, 10},
		{"top bit", []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, errLenTop, 10},
		{"-1", bytes.Join([][]byte{{0x82, 0xff}, bytes.Repeat([]byte{0xff}, 8)}, nil), errLenTop, 10},
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		c := cases[0]
		c.name, c.in, c.want = "unknown opcode", []byte{0x80 | op, 0x80}, errOpcode
		cases = append(cases, c)
	}
	for _, c := range cases {
		in := append(c.in, make([]byte, 64)...)
		if _, n, err := ParseHeader(in); err != c.want || n != 0 {
			t.Errorf("%s: n %d, %v; want %v", c.name, n, err, c.want)
		}
		if _, _, err := ParseHeader(in[:c.at]); err != c.want {
			t.Errorf("%s: %d bytes show it; got %v", c.name, c.at, err)
		}
		if _, n, err := ParseHeader(in[:c.at-1]); n != 0 || err != nil {
			t.Errorf("%s: %d bytes show nothing yet; got n %d, %v", c.name, c.at-1, n, err)
		}
	}
}

// The highest length that a header may give is read, and is for the reader's
// limit to refuse.
func TestParseHeaderHighest(t *testing.T) {
	in := append([]byte{0x82, 0x7f, 0x7f}, bytes.Repeat([]byte{0xff}, 7)...)
	if h, n, err := ParseHeader(in); err != nil || n != 10 || h.Len != math.MaxInt64 {
		t.Errorf("%+v, n %d, %v", h, n, err)
	}
	in[1] = 0xff // masked
	var s State
	if _, n, err := s.Next(append(in, 1, 2, 3, 4), Limits{Message: math.MaxInt}); err != errTooBig || n != 0 {
		t.Errorf("n %d, %v; want %v", n, err, errTooBig)
	}
}

func TestMask(t *testing.T) {
	key := [4]byte{0x11, 0x22, 0x44, 0x88}
	for size := range 40 {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(i * 7)
		}
		want := bytes.Clone(b)
		for i := range want {
			want[i] ^= key[i%4] // RFC 6455 5.3, as it is written
		}
		got := bytes.Clone(b)
		mask(got, key)
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes: % x, want % x", size, got, want)
		}
		if mask(got, key); !bytes.Equal(got, b) {
			t.Errorf("%d bytes are not restored", size)
		}
	}
}

func TestParseClose(t *testing.T) {
	code := func(c uint16, reason string) string { return string([]byte{byte(c >> 8), byte(c)}) + reason }
	for _, c := range []struct {
		in     string
		code   uint16
		reason string
		err    error
	}{
		{"", CodeNone, "", nil},
		{code(1000, ""), 1000, "", nil},
		{code(1001, "bye"), 1001, "bye", nil},
		{code(1003, ""), 1003, "", nil},
		{code(1007, ""), 1007, "", nil},
		{code(1011, ""), 1011, "", nil},
		{code(1012, ""), 1012, "", nil},
		{code(1014, ""), 1014, "", nil},
		{code(3000, ""), 3000, "", nil},
		{code(4999, "弹幕"), 4999, "弹幕", nil},
		{"\x03", 0, "", errCloseLen},
		{code(0, ""), 0, "", errCloseCode},
		{code(999, ""), 0, "", errCloseCode},
		{code(1004, ""), 0, "", errCloseCode},
		{code(1005, ""), 0, "", errCloseCode},
		{code(1006, ""), 0, "", errCloseCode},
		{code(1015, ""), 0, "", errCloseCode},
		{code(1016, ""), 0, "", errCloseCode},
		{code(2999, ""), 0, "", errCloseCode},
		{code(5000, ""), 0, "", errCloseCode},
		{code(65535, ""), 0, "", errCloseCode},
		{code(1000, "\xff"), 0, "", errCloseUTF8},
		{code(1000, "\xed\xa0\x80"), 0, "", errCloseUTF8}, // a surrogate
		{code(1000, "弹"[:2]), 0, "", errCloseUTF8},
	} {
		got, reason, err := ParseClose([]byte(c.in))
		if got != c.code || string(reason) != c.reason || (c.err == nil) != (err == nil) || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%q: %d %q %v; want %d %q %v", c.in, got, reason, err, c.code, c.reason, c.err)
		}
	}
}

func TestAppendClose(t *testing.T) {
	long := string(bytes.Repeat([]byte("ab弹"), 40)) // 200 bytes
	for _, c := range []struct {
		code   uint16
		reason string
		want   string
		none   bool
	}{
		{1000, "", "", false},
		{3004, "replaced", "replaced", false},
		{1000, long[:125], long[:122], false}, // 123 would cut a character
		{1000, long, long[:122], false},
		{1000, "弹幕"[:4], "弹幕"[:4], false}, // not UTF-8, but short: the caller's fault
		{CodeNone, "", "", true},
		{1006, "lost", "", true},
		{0, "", "", true},
	} {
		b := AppendClose(nil, c.code, c.reason)
		h, n, err := ParseHeader(b)
		if err != nil || h.Op != OpClose || !h.Fin || int(h.Len) != len(b)-n {
			t.Fatalf("%d %q: %+v, n %d, %v", c.code, c.reason, h, n, err)
		}
		if c.none {
			if h.Len != 0 {
				t.Errorf("%d may not be sent: % x", c.code, b)
			}
			continue
		}
		if got := string(b[n+codeLen:]); got != c.want || b[n] != byte(c.code>>8) || b[n+1] != byte(c.code) {
			t.Errorf("%d %q: code %d, %q", c.code, c.reason, uint16(b[n])<<8|uint16(b[n+1]), got)
		}
	}
}
