// Package proxyproto reads the PROXY protocol header, by which a proxy in
// front of a server tells whom it speaks for, before the client's first byte.
// Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt ("the
// spec" below), versions 1 and 2.
//
// Whoever may send a header may claim any address. So read one only on links
// whose peer is listed as a proxy, and there always: the spec forbids guessing
// whether one is present.
package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
)

// Header is what a proxy says of the connection that it forwards.
type Header struct {
	// Src is the client, Dst the address that the client dialled. IPv4
	// addresses mapped into IPv6 are given as IPv4, so that a client counts as
	// the same one whichever family its proxy listens on.
	Src, Dst netip.AddrPort
	// Local means that the proxy names nobody: it speaks for itself (LOCAL, a
	// health check) or does not know or cannot say the addresses (UNKNOWN,
	// UNSPEC, AF_UNIX). Src and Dst are zero; the link's own addresses are all
	// that is known.
	Local bool
}

// Longest headers, in bytes.
const (
	// MaxV1 is the spec's bound on a version 1 header with its CRLF.
	MaxV1 = 107
	// MaxV2 is our bound on a version 2 header. The addresses take 16 to 232
	// bytes; the rest is room for the TLVs of TLS terminators and clouds. The
	// spec has none but that of its 16-bit length, 65,551.
	MaxV2 = 4096
)

// Errors of this package; they come wrapped with the offending value where
// there is one. All of them end the link, with nothing sent.
var (
	// ErrMissing: the bytes begin no PROXY header.
	ErrMissing = errors.New("proxyproto: no PROXY header")
	// ErrMalformed: they begin one and break its grammar.
	ErrMalformed = errors.New("proxyproto: malformed header")
	// ErrTooLong: the header is longer than MaxV1 or MaxV2.
	ErrTooLong = errors.New("proxyproto: header too long")
)

// What each version begins with. Neither is a prefix of the other, and both
// differ from every frame and from every HTTP request.
const (
	prefixV1 = "PROXY "
	prefixV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// Parse reads the header that b begins with. n is its length; the client's
// first byte is b[n]. n == 0 with a nil error means that b ends before the
// header does: call again with the same bytes and more behind them. That never
// takes more than MaxV1 or MaxV2 bytes, and what cannot become a header is
// refused with the first byte that shows it.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case begins(b, prefixV1):
		if len(b) < len(prefixV1) {
			return Header{}, 0, nil
		}
		return parseV1(b)
	case begins(b, prefixV2):
		if len(b) < len(prefixV2) {
			return Header{}, 0, nil
		}
		return parseV2(b)
	}
	return Header{}, 0, ErrMissing
}

// begins tells whether b and prefix agree as far as both go.
func begins(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return bytes.Equal(b[:n], []byte(prefix[:n]))
}

func addrPort(a netip.Addr, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Unmap(), port)
}
