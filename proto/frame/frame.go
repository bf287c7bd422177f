// Package frame reads and writes frames, the messages of the client wire.
//
// A frame is a header of 16 bytes, all of it big-endian, and a body:
//
//	 0               4       6       8              12              16
//	+---------------+-------+-------+---------------+---------------+------
//	|package length |header |version|      op       |      seq      | body
//	|  16 + body    |  = 16 | 0 or 1|               |               | …
//	+---------------+-------+-------+---------------+---------------+------
//
// It is goim's header, so that goim's clients work unchanged. On TCP frames
// follow one another (Next). On WebSocket a message is one frame (Exact), and
// a server sends several as one frame of OpBatch whose body is whole frames
// (Frames).
//
// The functions are pure: they keep nothing, and a Body aliases the bytes that
// it was read from. Every length is compared with the limit and with the bytes
// at hand before anything is sliced.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	// HeaderLen is the length of a header, and the only value that its
	// header length field may have.
	HeaderLen = 16
	// Version is what we write in the version field.
	Version = 1
)

// Offsets of the header's fields.
const (
	atLength       = 0
	atHeaderLength = 4
	atVersion      = 6
	atOp           = 8
	atSeq          = 12
)

// Errors of this package. They come wrapped with the offending value; compare
// with errors.Is. None of them can be mended: what follows on the link cannot
// be read, so close it.
var (
	// ErrLength: the package length is below 16 or, as the signed number that
	// goim's clients take it for, negative.
	ErrLength = errors.New("frame: bad package length")
	// ErrTooLarge: the package length is above the limit given.
	ErrTooLarge = errors.New("frame: package length over the limit")
	// ErrHeaderLength: the header length is not 16.
	ErrHeaderLength = errors.New("frame: bad header length")
	// ErrVersion: the version is neither 0 nor 1.
	ErrVersion = errors.New("frame: unknown version")
	// ErrInner: a message or batch does not consist of whole frames.
	ErrInner = errors.New("frame: length differs from the bytes that hold the frame")
)

// Frame is one message.
type Frame struct {
	Op  Op
	Seq uint32 // the sender's number; a reply carries its request's
	// Body aliases the bytes that the frame was read from and lives no longer
	// than these. Its capacity ends with it: appending to it copies.
	Body []byte
}

// Next reads the frame that b begins with. max bounds its whole length,
// header and body.
//
// n is the frame's length; the next one begins at b[n:]. n == 0 with a nil
// error means that b ends before the frame does: call again with the same
// bytes and more behind them. A fault is told with the first byte that proves
// it, before the body has arrived, so a reader never waits for, or holds, a
// frame that it will refuse.
func Next(b []byte, max int) (f Frame, n int, err error) {
	n, err = check(b, max)
	if err != nil || n == 0 || len(b) < n {
		return Frame{}, 0, err
	}
	return slice(b, n), n, nil
}

// Exact reads b as exactly one frame, which is what a WebSocket message holds.
// If the package length is not len(b), or b is shorter than a header, the
// error is ErrInner: what a message says of its length must be what came,
// else a reader would wait for ever, or see bytes of another message.
func Exact(b []byte, max int) (Frame, error) {
	n, err := check(b, max)
	if err != nil {
		return Frame{}, err
	}
	if n != len(b) || n == 0 {
		return Frame{}, fmt.Errorf("%w: a message of %d bytes", ErrInner, len(b))
	}
	return slice(b, n), nil
}

// check looks at as much of a header as b holds and returns the package
// length, or 0 while the header is incomplete. Fields are checked in their
// order on the wire, so that the answer does not depend on how the bytes were
// cut on their way.
func check(b []byte, max int) (n int, err error) {
	if len(b) < atHeaderLength {
		return 0, nil
	}
	length := binary.BigEndian.Uint32(b[atLength:])
	if length < HeaderLen || length > math.MaxInt32 {
		return 0, fmt.Errorf("%w: %d", ErrLength, int32(length))
	}
	if int64(length) > int64(max) {
		return 0, fmt.Errorf("%w: %d > %d", ErrTooLarge, length, max)
	}
	if len(b) < atVersion {
		return 0, nil
	}
	if h := binary.BigEndian.Uint16(b[atHeaderLength:]); h != HeaderLen {
		return 0, fmt.Errorf("%w: %d", ErrHeaderLength, h)
	}
	if len(b) < atOp {
		return 0, nil
	}
	// goim's server looks at no version, and its benchmark client writes 1
	// into its auth frame and 0 into its heartbeats. Higher ones announce
	// other encodings of the body in goim's descendants.
	if v := binary.BigEndian.Uint16(b[atVersion:]); v > Version {
		return 0, fmt.Errorf("%w: %d", ErrVersion, v)
	}
	if len(b) < HeaderLen {
		return 0, nil
	}
	return int(length), nil
}

// slice makes a Frame of the n checked bytes that b begins with.
func slice(b []byte, n int) Frame {
	return Frame{
		Op:   Op(binary.BigEndian.Uint32(b[atOp:])),
		Seq:  binary.BigEndian.Uint32(b[atSeq:]),
		Body: b[HeaderLen:n:n],
	}
}

// Append appends a frame to dst. HeaderLen + len(body) must be at most
// math.MaxInt32.
func Append(dst []byte, op Op, seq uint32, body []byte) []byte {
	return append(AppendHeader(dst, op, seq, len(body)), body...)
}

// AppendHeader appends the header of a frame with bodyLen bytes of body, for
// callers that write the body from elsewhere. bodyLen is 0 to
// math.MaxInt32 - HeaderLen.
func AppendHeader(dst []byte, op Op, seq uint32, bodyLen int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(HeaderLen+bodyLen))
	dst = binary.BigEndian.AppendUint16(dst, HeaderLen)
	dst = binary.BigEndian.AppendUint16(dst, Version)
	dst = binary.BigEndian.AppendUint32(dst, uint32(op))
	return binary.BigEndian.AppendUint32(dst, seq)
}
