package proxyproto

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A header of version 2:
//
//	 0                       12   13   14        16
//	+-----------------------+----+----+---------+-----------+------
//	| 0D 0A 0D 0A 00 0D 0A  |ver |fam |  length | addresses | TLVs
//	| 51 55 49 54 0A        |cmd |prot|         |           |
//	+-----------------------+----+----+---------+-----------+------
//
// length counts what follows it. Addresses are source, destination, source
// port, destination port; with AF_UNIX two paths of 108 bytes.
const (
	v2Fixed   = 16
	atCommand = 12
	atFamily  = 13
	atLength  = 14
)

// Values of the byte at atCommand: version 2 above, the command below.
const (
	cmdLocal = 0x20
	cmdProxy = 0x21
)

// Values of the byte at atFamily: family above, transport below.
const (
	famUnspec = 0x00
	famTCP4   = 0x11
	famTCP6   = 0x21
	famUnix   = 0x31
)

// parseV2 reads a header of version 2. b begins with its signature.
func parseV2(b []byte) (Header, int, error) {
	if len(b) > atCommand && b[atCommand] != cmdLocal && b[atCommand] != cmdProxy {
		// Spec 2.2: other versions and commands must be dropped.
		return Header{}, 0, fmt.Errorf("%w: version and command 0x%02x", ErrMalformed, b[atCommand])
	}
	if len(b) < v2Fixed {
		return Header{}, 0, nil
	}
	n := v2Fixed + int(binary.BigEndian.Uint16(b[atLength:]))
	if n > MaxV2 {
		return Header{}, 0, fmt.Errorf("%w: %d bytes", ErrTooLong, n)
	}
	// Spec 2.2, LOCAL: "the receiver must accept this connection as valid and
	// must use the real connection endpoints and discard the protocol block
	// including the family which is ignored".
	local := b[atCommand] == cmdLocal
	switch {
	case local:
	case !known(b[atFamily]):
		return Header{}, 0, fmt.Errorf("%w: family 0x%02x", ErrMalformed, b[atFamily])
	case n < v2Fixed+addressesLen(b[atFamily]):
		return Header{}, 0, fmt.Errorf("%w: %d bytes for family 0x%02x", ErrMalformed, n, b[atFamily])
	}
	if len(b) < n {
		return Header{}, 0, nil
	}
	if local {
		return Header{Local: true}, n, nil
	}
	return readBlock(b[atFamily], b[v2Fixed:n]), n, nil
}

// known tells whether a stream may be of this family. Spec 2.2 has other values
// rejected, and leaves it to the receiver whether it takes a family without a
// transport; datagrams are something else than this link.
func known(family byte) bool {
	switch family {
	case famUnspec, famTCP4, famTCP6, famUnix:
		return true
	}
	return false
}

// addressesLen is how many bytes the addresses of a family take.
func addressesLen(family byte) int {
	switch family {
	case famTCP4:
		return 2*4 + 2*2
	case famTCP6:
		return 2*16 + 2*2
	case famUnix:
		return 2 * 108
	}
	return 0
}

// readBlock reads the addresses. What follows them, the TLVs, says nothing
// that we use and is skipped unread, as spec 2.2 lets a receiver do.
func readBlock(family byte, b []byte) Header {
	switch family {
	case famTCP4:
		src, dst := netip.AddrFrom4([4]byte(b[0:4])), netip.AddrFrom4([4]byte(b[4:8]))
		return withPorts(src, dst, b[8:12])
	case famTCP6:
		src, dst := netip.AddrFrom16([16]byte(b[0:16])), netip.AddrFrom16([16]byte(b[16:32]))
		return withPorts(src, dst, b[32:36])
	}
	return Header{Local: true}
}

func withPorts(src, dst netip.Addr, ports []byte) Header {
	return Header{
		Src: addrPort(src, binary.BigEndian.Uint16(ports[0:])),
		Dst: addrPort(dst, binary.BigEndian.Uint16(ports[2:])),
	}
}
