package proxyproto

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parseV1 reads a header of version 1, one line of text:
//
//	PROXY TCP4 192.0.2.7 198.51.100.1 56324 3101\r\n
//	PROXY TCP6 2001:db8::7 2001:db8::1 56324 3101\r\n
//	PROXY UNKNOWN …\r\n
//
// b begins with "PROXY ".
func parseV1(b []byte) (Header, int, error) {
	// Spec 2.1: the line has at most 107 bytes, CRLF included. "The receiver
	// must not tolerate a single CR or LF character to end the line": with a
	// lone LF in it, two readers would see two lines.
	end := bytes.IndexByte(b[:min(len(b), MaxV1)], '\n')
	switch {
	case end < 0 && len(b) >= MaxV1:
		return Header{}, 0, fmt.Errorf("%w: no line end in %d bytes", ErrTooLong, MaxV1)
	case end < 0:
		return Header{}, 0, nil
	}
	text := string(b[len(prefixV1):end])
	h, err := readLine(text)
	if err != nil {
		return Header{}, 0, fmt.Errorf("%w: line %q", err, text)
	}
	return h, end + 1, nil
}

// readLine reads what stands between "PROXY " and the LF.
func readLine(text string) (Header, error) {
	line, ok := strings.CutSuffix(text, "\r")
	if !ok || strings.Contains(line, "\r") {
		return Header{}, ErrMalformed
	}
	family, rest, _ := strings.Cut(line, " ")
	switch family {
	case "TCP4":
		return readAddresses(rest, netip.Addr.Is4)
	case "TCP6":
		return readAddresses(rest, netip.Addr.Is6)
	case "UNKNOWN":
		// Spec 2.1: "the receiver must ignore anything presented before the
		// CRLF is found".
		return Header{Local: true}, nil
	}
	return Header{}, ErrMalformed
}

// readAddresses reads "source destination sourceport destinationport", with
// exactly one space between them.
func readAddresses(s string, family func(netip.Addr) bool) (Header, error) {
	part := strings.Split(s, " ")
	if len(part) != 4 {
		return Header{}, ErrMalformed
	}
	src, err1 := readAddress(part[0], part[2], family)
	dst, err2 := readAddress(part[1], part[3], family)
	if err1 != nil || err2 != nil {
		return Header{}, ErrMalformed
	}
	return Header{Src: src, Dst: dst}, nil
}

func readAddress(addr, port string, family func(netip.Addr) bool) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil || !family(a) || a.Zone() != "" {
		return netip.AddrPort{}, ErrMalformed
	}
	// Spec 2.1: ports are decimal, 0 to 65535, without leading zeros or signs.
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, ErrMalformed
	}
	return addrPort(a, uint16(p)), nil
}
