package proxyproto

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"testing"

	other "github.com/pires/go-proxyproto"
	"pgregory.net/rapid"
)

// address draws an address of a client or server.
func address(t *rapid.T, bytes int, name string) *net.TCPAddr {
	return &net.TCPAddr{
		IP:   rapid.SliceOfN(rapid.Byte(), bytes, bytes).Draw(t, name),
		Port: int(rapid.Uint16().Draw(t, name+" port")),
	}
}

// sent draws a header as go-proxyproto sends it.
func sent(t *rapid.T) (*other.Header, []byte) {
	version := rapid.SampledFrom([]byte{1, 2}).Draw(t, "version")
	size := rapid.SampledFrom([]int{4, 16}).Draw(t, "address bytes")
	h := other.HeaderProxyFromAddrs(version, address(t, size, "src"), address(t, size, "dst"))
	if size == 16 {
		h.TransportProtocol = other.TCPv6 // it takes some 16-byte IPs for IPv4
	}
	if rapid.IntRange(0, 9).Draw(t, "local") == 0 {
		h = &other.Header{Version: version, Command: other.LOCAL, TransportProtocol: other.UNSPEC}
	}
	if version == 2 && rapid.Bool().Draw(t, "tlvs") {
		value := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "tlv")
		if err := h.SetTLVs([]other.TLV{{Type: other.PP2_TYPE_AUTHORITY, Value: value}}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := h.Format()
	if err != nil {
		t.Fatalf("%+v: %v", h, err)
	}
	return h, b
}

func wire(t *rapid.T) []byte {
	_, b := sent(t)
	return append(b, rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "after")...)
}

// ours is what h is in our terms.
func ours(h *other.Header) Header {
	src, dst, ok := h.TCPAddrs()
	if h.Command.IsLocal() || !ok {
		return Header{Local: true}
	}
	port := func(a *net.TCPAddr) netip.AddrPort {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return Header{Src: port(src), Dst: port(dst)}
}

// What go-proxyproto sends, we read as it was meant.
func TestParseReadsAnotherSender(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, b := sent(t)
		got, n, err := Parse(append(b, "after"...))
		if err != nil || n != len(b) || got != ours(h) {
			t.Fatalf("%q: %+v, n %d, %v; want %+v", b, got, n, err, ours(h))
		}
	})
}

// agree checks that what we take of b, go-proxyproto takes too, and as the
// same; it takes more than we do.
func agree(t interface{ Fatalf(string, ...any) }, b []byte) {
	got, n, err := Parse(b)
	if err != nil || n == 0 {
		return
	}
	if b[0] == '\r' && b[atCommand] == cmdProxy && b[atFamily] == famUnspec {
		return // the spec leaves it to the receiver, and it refuses
	}
	if b[0] == '\r' && b[atCommand] == cmdLocal {
		return // it looks at the family, which the spec says is ignored
	}
	r := bufio.NewReaderSize(bytes.NewReader(b), MaxV2+1)
	h, err := other.Read(r)
	if err != nil {
		t.Fatalf("%q: we read %+v, go-proxyproto %v", b, got, err)
	}
	if want := ours(h); got != want {
		t.Fatalf("%q: %+v, go-proxyproto %+v", b, got, want)
	}
	if left := r.Buffered(); left != len(b)-n && len(b) <= MaxV2 {
		t.Fatalf("%q: n %d, go-proxyproto leaves %d of %d", b, n, left, len(b))
	}
}

func TestParseAgreesWithAnotherReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { agree(t, spoil(t, wire(t))) })
}

func FuzzProxy(f *testing.F) {
	f.Add(drawn)
	f.Add([]byte("PROXY TCP4 192.0.2.7 198.51.100.1 56324 3101\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\nGET /"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > MaxV2+64 {
			b = b[:MaxV2+64]
		}
		h, n, err := Parse(b)
		if whole, cut := outcome(h, n, err), drip(b); whole != cut {
			t.Fatalf("at once:      %s\nbyte by byte: %s", whole, cut)
		}
		switch {
		case err != nil && (n != 0 || h != Header{}):
			t.Fatalf("%+v, n %d beside %v", h, n, err)
		case n > len(b) || n > MaxV2 || n > MaxV1 && b[0] == 'P':
			t.Fatalf("n %d of %d", n, len(b))
		case n == 0 && err == nil && len(b) >= MaxV2:
			t.Fatalf("asks for more than %d bytes", MaxV2)
		case n > 0 && h.Local == h.Src.IsValid(), n > 0 && h.Src.IsValid() != h.Dst.IsValid():
			t.Fatalf("%+v is neither local nor complete", h)
		}
		agree(t, b)
	})
}
