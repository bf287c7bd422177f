package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A version 2 header for TCP over IPv4, byte by byte.
var drawn = []byte{
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, // signature
	0x21,       // version 2, command PROXY
	0x11,       // IPv4, stream
	0x00, 0x0c, // 12 bytes follow
	192, 0, 2, 7, // source
	198, 51, 100, 1, // destination
	0xdc, 0x04, // source port 56324
	0x0c, 0x1d, // destination port 3101
}

var (
	v4 = Header{Src: netip.MustParseAddrPort("192.0.2.7:56324"), Dst: netip.MustParseAddrPort("198.51.100.1:3101")}
	v6 = Header{Src: netip.MustParseAddrPort("[2001:db8::7]:56324"), Dst: netip.MustParseAddrPort("[2001:db8::1]:3101")}
	// local is what a header that names nobody gives.
	local = Header{Local: true}
)

// v2 makes a version 2 header.
func v2(command, family byte, parts ...[]byte) []byte {
	block := bytes.Join(parts, nil)
	b := append([]byte(prefixV2), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(block)))
	return append(b, block...)
}

func addresses6(h Header) []byte {
	src, dst := h.Src.Addr().As16(), h.Dst.Addr().As16()
	b := append(src[:], dst[:]...)
	b = binary.BigEndian.AppendUint16(b, h.Src.Port())
	return binary.BigEndian.AppendUint16(b, h.Dst.Port())
}

func TestParse(t *testing.T) {
	addresses4 := drawn[v2Fixed:]
	tlv := []byte{0x02, 0x00, 0x03, 'o', 'o', 'r'} // PP2_TYPE_AUTHORITY
	paths := make([]byte, 216)
	for _, c := range []struct {
		name string
		in   string
		want Header
	}{
		{"v1 IPv4", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 3101\r\n", v4},
		{"v1 IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 56324 3101\r\n", v6},
		{"v1 IPv6 in capitals and full", "PROXY TCP6 2001:0DB8:0:0:0:0:0:7 2001:0DB8:0000:0000:0000:0000:0000:0001 56324 3101\r\n", v6},
		{"v1 IPv4 in IPv6 counts as IPv4", "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c633:6401 56324 3101\r\n", v4},
		{"v1 lowest and highest ports", "PROXY TCP4 1.2.3.4 5.6.7.8 0 65535\r\n",
			Header{Src: netip.MustParseAddrPort("1.2.3.4:0"), Dst: netip.MustParseAddrPort("5.6.7.8:65535")}},
		{"v1 unknown, short", "PROXY UNKNOWN\r\n", local},
		{"v1 unknown, anything", "PROXY UNKNOWN \x00 what \xff ever\r\n", local},
		{"v1 of 107 bytes", "PROXY UNKNOWN " + strings.Repeat("f", 107-16) + "\r\n", local},
		{"v2 IPv4", string(drawn), v4},
		{"v2 IPv4 with TLVs", string(v2(cmdProxy, famTCP4, addresses4, tlv, tlv)), v4},
		{"v2 IPv4 with TLVs that lie of their length", string(v2(cmdProxy, famTCP4, addresses4, []byte{1, 0xff, 0xff})), v4},
		{"v2 IPv6", string(v2(cmdProxy, famTCP6, addresses6(v6))), v6},
		{"v2 IPv6 with TLVs", string(v2(cmdProxy, famTCP6, addresses6(v6), tlv)), v6},
		{"v2 IPv4 in IPv6 counts as IPv4", string(v2(cmdProxy, famTCP6, addresses6(v4))), v4},
		{"v2 AF_UNIX", string(v2(cmdProxy, famUnix, paths)), local},
		{"v2 UNSPEC", string(v2(cmdProxy, famUnspec)), local},
		{"v2 UNSPEC with addresses", string(v2(cmdProxy, famUnspec, addresses4)), local},
		{"v2 LOCAL", string(v2(cmdLocal, famUnspec)), local},
		{"v2 LOCAL with a family and addresses", string(v2(cmdLocal, famTCP4, addresses4)), local},
		{"v2 LOCAL with a family and none", string(v2(cmdLocal, famTCP4)), local},
		{"v2 LOCAL with a family that is none", string(v2(cmdLocal, 0xff)), local},
		{"v2 of 4,096 bytes", string(v2(cmdProxy, famTCP4, addresses4, make([]byte, 4096-16-12))), v4},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, after := range []string{"", "\x00", "GET / HTTP/1.1\r\n", c.in} {
				h, n, err := Parse([]byte(c.in + after))
				if err != nil || n != len(c.in) || h != c.want {
					t.Errorf("before %q: %+v, n %d of %d, %v", after, h, n, len(c.in), err)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		in   string
		want error
		at   int // bytes after which it must be told; 0: after all
	}{
		{"a frame", "\x00\x00\x00\x10\x00\x10\x00\x01", ErrMissing, 1},
		{"HTTP", "GET / HTTP/1.1\r\n", ErrMissing, 1},
		{"TLS", "\x16\x03\x01", ErrMissing, 1},
		{"another method with P", "POST / HTTP/1.1\r\n", ErrMissing, 2},
		{"small letters", "proxy TCP4", ErrMissing, 1},
		{"no space", "PROXYTCP4", ErrMissing, 6},
		{"a signature that goes wrong at its end", "\r\n\r\n\x00\r\nQUIT\r", ErrMissing, 12},

		{"v1 without a family", "PROXY \r\n", ErrMalformed, 0},
		{"v1 of UDP", "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", ErrMalformed, 0},
		{"v1 in small letters", "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", ErrMalformed, 0},
		{"v1 unknown with a tail", "PROXY UNKNOWNS\r\n", ErrMalformed, 0},
		{"v1 without addresses", "PROXY TCP4\r\n", ErrMalformed, 0},
		{"v1 with a part missing", "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", ErrMalformed, 0},
		{"v1 with a part too many", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", ErrMalformed, 0},
		{"v1 with two spaces", "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", ErrMalformed, 0},
		{"v1 with a space at the end", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", ErrMalformed, 0},
		{"v1 with a tab", "PROXY TCP4\t1.2.3.4 5.6.7.8 1 2\r\n", ErrMalformed, 0},
		{"v1 IPv6 said to be IPv4", "PROXY TCP4 ::1 ::1 1 2\r\n", ErrMalformed, 0},
		{"v1 IPv4 said to be IPv6", "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", ErrMalformed, 0},
		{"v1 of both families", "PROXY TCP6 ::1 5.6.7.8 1 2\r\n", ErrMalformed, 0},
		{"v1 with a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", ErrMalformed, 0},
		{"v1 with an octal address", "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", ErrMalformed, 0},
		{"v1 with a name", "PROXY TCP4 localhost 5.6.7.8 1 2\r\n", ErrMalformed, 0},
		{"v1 with a port over 65535", "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", ErrMalformed, 0},
		{"v1 with a negative port", "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", ErrMalformed, 0},
		{"v1 with a signed port", "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", ErrMalformed, 0},
		{"v1 with a zero before a port", "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", ErrMalformed, 0},
		{"v1 with an empty port", "PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n", ErrMalformed, 0},
		{"v1 ended by LF", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", ErrMalformed, 0},
		{"v1 with a lone LF within", "PROXY UNKNOWN a\nb\r\n", ErrMalformed, 16},
		{"v1 with a lone CR within", "PROXY UNKNOWN a\rb\r\n", ErrMalformed, 0},
		{"v1 of 108 bytes", "PROXY UNKNOWN " + strings.Repeat("f", 108-16) + "\r\n", ErrTooLong, 107},
		{"v1 without end", "PROXY TCP4 " + strings.Repeat("1", 5000), ErrTooLong, 107},

		{"v2 of version 1", string(v2(0x11, famTCP4, drawn[16:])), ErrMalformed, 13},
		{"v2 of version 3", string(v2(0x31, famTCP4, drawn[16:])), ErrMalformed, 13},
		{"v2 of an unknown command", string(v2(0x22, famTCP4, drawn[16:])), ErrMalformed, 13},
		{"v2 of an unknown family", string(v2(cmdProxy, 0x41, drawn[16:])), ErrMalformed, 16},
		{"v2 of an unknown transport", string(v2(cmdProxy, 0x13, drawn[16:])), ErrMalformed, 16},
		{"v2 of datagrams", string(v2(cmdProxy, 0x12, drawn[16:])), ErrMalformed, 16},
		{"v2 without its addresses", string(v2(cmdProxy, famTCP4)), ErrMalformed, 16},
		{"v2 IPv4, a byte short", string(v2(cmdProxy, famTCP4, drawn[16:27])), ErrMalformed, 16},
		{"v2 IPv6, a byte short", string(v2(cmdProxy, famTCP6, make([]byte, 35))), ErrMalformed, 16},
		{"v2 AF_UNIX, a byte short", string(v2(cmdProxy, famUnix, make([]byte, 215))), ErrMalformed, 16},
		{"v2 a byte over the limit", string(v2(cmdProxy, famTCP4, make([]byte, 4096-15))), ErrTooLong, 16},
		{"v2 of the highest length", string(v2(cmdLocal, famUnspec, make([]byte, 65535))), ErrTooLong, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []byte(c.in)
			if c.at == 0 {
				c.at = len(in)
			}
			if h, n, err := Parse(in); !errors.Is(err, c.want) || n != 0 || h != (Header{}) {
				t.Fatalf("%+v, n %d, %v; want %v", h, n, err, c.want)
			}
			if _, _, err := Parse(in[:c.at]); !errors.Is(err, c.want) {
				t.Errorf("%d bytes show it; got %v", c.at, err)
			}
			if _, n, err := Parse(in[:c.at-1]); n != 0 || err != nil {
				t.Errorf("%d bytes show nothing yet; got n %d, %v", c.at-1, n, err)
			}
		})
	}
}

// outcome is what Parse says, in a form to compare.
func outcome(h Header, n int, err error) string {
	return fmt.Sprintf("%+v n %d err %v", h, n, err)
}

// drip gives b to Parse byte by byte and returns the first that it says.
func drip(b []byte) string {
	for k := range len(b) {
		if h, n, err := Parse(b[:k]); n != 0 || err != nil {
			return outcome(h, n, err)
		}
	}
	return outcome(Parse(b))
}

func TestParseByteByByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := spoil(t, wire(t))
		if whole, cut := outcome(Parse(b)), drip(b); whole != cut {
			t.Fatalf("%q\nat once:      %s\nbyte by byte: %s", b, whole, cut)
		}
	})
}

// spoil changes a bit of b, or none.
func spoil(t *rapid.T, b []byte) []byte {
	if len(b) > 0 && rapid.Bool().Draw(t, "spoil") {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	return b
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, n, err := Parse(drawn); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}
