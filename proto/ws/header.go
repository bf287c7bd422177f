package ws

import (
	"encoding/binary"
	"math"
)

// Header is the header of one frame (RFC 6455 5.2):
//
//	 0               1               2               4              10
//	+-+-+-+-+-------+-+-------------+---------------+- - - - - - - -+- - - - - - - -+------
//	|F|R|R|R|opcode |M|   length    |length if 126  |               | key if masked | payload
//	|I|S|S|S|       |A|  0…125, or  | (u16), or the first 2 bytes   |               |
//	|N|V|V|V|       |S|  126, 127   | of it if 127 (u64)            |               |
//	+-+-+-+-+-------+-+-------------+---------------+- - - - - - - -+- - - - - - - -+------
type Header struct {
	Op     Opcode
	Fin    bool // the last frame of its message
	Masked bool
	Key    [4]byte // zero unless Masked
	Len    int64   // of the payload
}

// Lengths of a header and of payloads.
const (
	// MaxHeader is the longest header: 2 bytes, 8 of length, 4 of key.
	MaxHeader = 14
	// MaxControl is the longest payload of a control frame.
	MaxControl = 125

	keyLen   = 4
	len16    = 126 // the length that announces 16 bits of length
	len64    = 127 // and 64
	bitFin   = 0x80
	bitsRsv  = 0x70
	bitsOp   = 0x0f
	bitMask  = 0x80
	bitsLen  = 0x7f
	maxShort = 125
)

// ParseHeader reads the frame header that b begins with. n is its length; the
// payload begins at b[n:]. n == 0 with a nil error means that b ends before it
// does. The error is a *CloseError and concerns what a header can break by
// itself; whether masking and sequence are right depends on who reads, and is
// left to State.Next or, reading a server's frames, to the caller.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) < 1 {
		return Header{}, 0, nil
	}
	h.Op, h.Fin = Opcode(b[0]&bitsOp), b[0]&bitFin != 0
	switch {
	case b[0]&bitsRsv != 0:
		// 5.2: "MUST be 0 unless an extension is negotiated".
		return Header{}, 0, errReserved
	case !h.Op.known():
		// 5.2: "If an unknown opcode is received, the receiving endpoint MUST
		// _Fail the WebSocket Connection_".
		return Header{}, 0, errOpcode
	case h.Op.Control() && !h.Fin:
		// 5.5: control frames "MUST NOT be fragmented".
		return Header{}, 0, errControlFin
	}
	if len(b) < 2 {
		return Header{}, 0, nil
	}
	h.Masked = b[1]&bitMask != 0
	if h.Op.Control() && b[1]&bitsLen > MaxControl {
		// 5.5: "All control frames MUST have a payload length of 125 bytes or
		// less".
		return Header{}, 0, errControlLen
	}
	if h.Len, n, err = parseLen(b); err != nil || n == 0 {
		return Header{}, 0, err
	}
	if !h.Masked {
		return h, n, nil
	}
	if len(b) < n+keyLen {
		return Header{}, 0, nil
	}
	h.Key = [4]byte(b[n:])
	return h, n + keyLen, nil
}

// parseLen reads the length of a payload; n is where in b it ends. b has at
// least 2 bytes.
//
// 5.2: "in all cases, the minimal number of bytes MUST be used to encode the
// length". Whoever uses more hides a short frame from whoever counts less
// strictly; and "the most significant bit MUST be 0".
func parseLen(b []byte) (length int64, n int, err error) {
	switch short := b[1] & bitsLen; short {
	default:
		return int64(short), 2, nil
	case len16:
		if len(b) < 4 {
			return 0, 0, nil
		}
		l := binary.BigEndian.Uint16(b[2:])
		if l <= maxShort {
			return 0, 0, errLenMinimal
		}
		return int64(l), 4, nil
	case len64:
		if len(b) < 10 {
			return 0, 0, nil
		}
		l := binary.BigEndian.Uint64(b[2:])
		if l > math.MaxInt64 {
			return 0, 0, errLenTop
		}
		if l <= math.MaxUint16 {
			return 0, 0, errLenMinimal
		}
		return int64(l), 10, nil
	}
}

// AppendHeader appends the header of a server's frame, which is not masked
// (RFC 6455 5.1), with n bytes of payload to follow. A control frame has
// n <= MaxControl and fin set.
func AppendHeader(dst []byte, op Opcode, fin bool, n int) []byte {
	return appendHeader(dst, op, fin, 0, n)
}

func appendHeader(dst []byte, op Opcode, fin bool, mask byte, n int) []byte {
	first := byte(op)
	if fin {
		first |= bitFin
	}
	switch {
	case n <= maxShort:
		return append(dst, first, mask|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, first, mask|len16), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, mask|len64), uint64(n))
}

// AppendFrame appends a server's whole message, or a control frame, with its
// payload.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	return append(AppendHeader(dst, op, true, len(payload)), payload...)
}

// AppendMasked appends a client's frame: RFC 6455 5.3 asks for a key that
// nobody can foretell, new for each frame. payload itself is left as it is.
func AppendMasked(dst []byte, op Opcode, fin bool, key [4]byte, payload []byte) []byte {
	dst = appendHeader(dst, op, fin, bitMask, len(payload))
	dst = append(dst, key[:]...)
	at := len(dst)
	dst = append(dst, payload...)
	mask(dst[at:], key)
	return dst
}
