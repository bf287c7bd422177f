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
type parser struct {
	skip    uint32 // bytes of a body that are still to pass
	message uint32 // bytes of the WebSocket message that are still to come, skip among them
	inBatch bool   // the message is an op 9, whose header has passed
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
	if p.skip > 0 {
		return item{}, false, p.pass(min(len(b), int(p.skip)), overWS), nil
	}
	if overWS && p.message == 0 {
		return p.messageHead(b)
	}
	return p.frameHead(b, overWS)
}

// pass lets n bytes of a body go by.
func (p *parser) pass(n int, overWS bool) int {
	p.skip -= uint32(n)
	if overWS {
		p.message -= uint32(n)
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
	case h.Op != ws.OpBinary || !h.Fin:
		// A message of the protocol is one binary frame.
		return item{}, false, 0, fmt.Errorf("%w: opcode %d, fin %v", errProtocol, h.Op, h.Fin)
	case h.Len < frame.HeaderLen || h.Len > maxBody:
		return item{}, false, 0, fmt.Errorf("%w: a message of %d bytes", errProtocol, h.Len)
	}
	p.message, p.inBatch = uint32(h.Len), false
	return item{}, false, n, nil
}

// frameHead reads a frame's header and as much of the body as is there.
func (p *parser) frameHead(b []byte, overWS bool) (it item, found bool, n int, err error) {
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
		p.message -= frame.HeaderLen
		return item{}, false, frame.HeaderLen, nil
	}
	if len(b) < frame.HeaderLen+min(length-frame.HeaderLen, stamp.Len) {
		return item{}, false, 0, nil
	}
	n = min(len(b), length)
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
	case op == frame.OpBatch && (!overWS || p.inBatch):
		return 0, fmt.Errorf("%w: a batch where none may be", errProtocol)
	case overWS && p.inBatch && size > p.message, overWS && !p.inBatch && size != p.message:
		return 0, fmt.Errorf("%w: package length %d in a message of which %d bytes remain", errProtocol, size, p.message)
	}
	return int(size), nil
}
