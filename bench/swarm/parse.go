package swarm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// maxBody bounds the body of a frame that a server sends: what is longer is
// not a message but a parser that lost its place.
const maxBody = 64 << 20

// errProtocol: a server broke the protocol.
var errProtocol = errors.New("malformed")

// parser reads what a server sends, cut anywhere, in a few bytes of state. It
// keeps no body: of a message it tells the beginning, in which the stamp is,
// and lets the rest pass. What it does not take comes again in front of newer
// bytes; that is never more than a head.
//
//	TCP        header │ body │ header │ body …
//	WebSocket  ws header │ header │ body │ ws header │ header of op 9 │ header │ body │ header │ body …
//
// A WebSocket message may come in fragments, as echoes of long ones do, if the
// first holds the frame's header and the stamp.
type parser struct {
	skip    uint32 // bytes of a body that are still to pass
	payload uint32 // bytes of the WebSocket frame that are still to come
	inBatch bool   // the message is an op 9, whose header has passed
	goesOn  bool   // the message has another fragment
}

// item is what one step of a parser found.
type item struct {
	op      frame.Op  // of a frame, if control is 0
	control ws.Opcode // of a WebSocket control frame
	seq     uint32
	body    []byte // its first bytes: a stamp's length, or all if it has fewer, or more
}

// headLen is the most that a parser leaves untaken of frames: a header and a
// stamp, or a control frame.
const headLen = ws.MaxHeader + ws.MaxControl

// next takes n bytes of b. found says whether they held an item; the item's
// body is valid as long as b. n == 0 without an item means that b ends too
// early.
func (p *parser) next(b []byte, overWS bool) (it item, found bool, n int, err error) {
	if overWS && p.payload == 0 {
		return p.messageHead(b)
	}
	if p.skip > 0 {
		return item{}, false, p.pass(p.within(b, p.skip, overWS), overWS), nil
	}
	return p.frameHead(b, overWS)
}

// within is how many of limit bytes are in b, and in the WebSocket frame.
func (p *parser) within(b []byte, limit uint32, overWS bool) int {
	if overWS {
		limit = min(limit, p.payload)
	}
	return min(len(b), int(limit))
}

// pass lets n bytes of a body go by.
func (p *parser) pass(n int, overWS bool) int {
	p.skip -= uint32(n)
	if overWS {
		p.payload -= uint32(n)
	}
	return n
}

// messageHead reads a WebSocket frame's header, and control frames whole.
func (p *parser) messageHead(b []byte) (it item, found bool, n int, err error) {
	h, n, err := ws.ParseHeader(b)
	switch {
	case err != nil:
		return item{}, false, 0, fmt.Errorf("%w: %w", errProtocol, err)
	case n == 0:
		return item{}, false, 0, nil
	case h.Masked:
		return item{}, false, 0, fmt.Errorf("%w: a masked frame", errProtocol)
	case h.Op.Control():
		end := n + int(h.Len)
		if len(b) < end {
			return item{}, false, 0, nil
		}
		return item{control: h.Op, body: b[n:end:end]}, true, end, nil
	case p.goesOn && (h.Op != ws.OpContinuation || h.Len > int64(p.skip) || h.Fin && h.Len != int64(p.skip)):
		return item{}, false, 0, fmt.Errorf("%w: opcode %d of %d bytes where a fragment of %d was to come", errProtocol, h.Op, h.Len, p.skip)
	case !p.goesOn && (h.Op != ws.OpBinary || h.Len < frame.HeaderLen || h.Len > maxBody):
		return item{}, false, 0, fmt.Errorf("%w: a message of opcode %d and %d bytes", errProtocol, h.Op, h.Len)
	}
	p.payload, p.inBatch, p.goesOn = uint32(h.Len), false, !h.Fin
	return item{}, false, n, nil
}

// frameHead reads a frame's header and as much of the body as is there.
func (p *parser) frameHead(b []byte, overWS bool) (it item, found bool, n int, err error) {
	if overWS && p.payload < frame.HeaderLen {
		return item{}, false, 0, fmt.Errorf("%w: a batch ends with %d bytes of a frame", errProtocol, p.payload)
	}
	if len(b) < frame.HeaderLen {
		return item{}, false, 0, nil
	}
	length, err := p.check(b, overWS)
	if err != nil {
		return item{}, false, 0, err
	}
	it = item{op: frame.Op(binary.BigEndian.Uint32(b[8:])), seq: binary.BigEndian.Uint32(b[12:])}
	if overWS && it.op == frame.OpBatch {
		p.inBatch = true
		p.payload -= frame.HeaderLen
		return item{}, false, frame.HeaderLen, nil
	}
	if len(b) < frame.HeaderLen+min(length-frame.HeaderLen, stamp.Len) {
		return item{}, false, 0, nil
	}
	n = p.within(b, uint32(length), overWS)
	it.body = b[frame.HeaderLen:n:n]
	p.skip = uint32(length)
	return it, true, p.pass(n, overWS), nil
}

// check compares a header's fields with each other and with the message that
// they stand in, and returns the package length.
func (p *parser) check(b []byte, overWS bool) (length int, err error) {
	size := binary.BigEndian.Uint32(b)
	op := frame.Op(binary.BigEndian.Uint32(b[8:]))
	switch {
	case size < frame.HeaderLen || size > frame.HeaderLen+maxBody:
		return 0, fmt.Errorf("%w: package length %d", errProtocol, size)
	case binary.BigEndian.Uint16(b[4:]) != frame.HeaderLen || binary.BigEndian.Uint16(b[6:]) > frame.Version:
		return 0, fmt.Errorf("%w: header %x", errProtocol, b[:frame.HeaderLen])
	case op == frame.OpBatch && (!overWS || p.inBatch || p.goesOn):
		return 0, fmt.Errorf("%w: a batch where none may be", errProtocol)
	case overWS && !p.fits(size):
		return 0, fmt.Errorf("%w: package length %d in a message of which %d bytes are here", errProtocol, size, p.payload)
	}
	return int(size), nil
}

// fits says whether a frame of size bytes may begin here in a WebSocket
// message.
func (p *parser) fits(size uint32) bool {
	switch {
	case p.goesOn:
		return size >= p.payload && p.payload >= min(size, frame.HeaderLen+stamp.Len)
	case p.inBatch:
		return size <= p.payload
	}
	return size == p.payload
}
