package echo

import (
	"errors"

	"github.com/oortim/oort/proto/ws"
)

// pieceLen is the longest payload of a frame that is sent. Whoever sends longer
// ones gets them back as fragments of that size.
const pieceLen = 64 << 10

// head answers the upgrade, whatever path it asks for and wherever its page
// comes from: there is nothing here that a stranger's page could take.
func (l *loop) head(k *link, in []byte) (used int) {
	r, n, err := ws.ParseRequest(in, ws.HeadLimits{})
	var reject *ws.RejectError
	switch {
	case errors.As(err, &reject):
		l.n.refused.Add(1)
		l.wire = ws.AppendReject(l.wire, reject)
		l.leave(k)
	case n > 0:
		l.wire = ws.AppendAccept(l.wire, &r)
		k.stage = stageWS
	}
	return n
}

// messages echoes what came of WebSocket messages.
func (l *loop) messages(k *link, in []byte) (used int) {
	// Each fragment is answered by one, so their number costs us no more than
	// the peer, and nothing of them is kept.
	lim := ws.Limits{Message: l.maxMessage, Fragments: -1}
	for k.stage == stageWS {
		c, n, err := k.ws.Next(in[used:], lim)
		if err != nil {
			l.refuse(k, err)
			break
		}
		if n == 0 {
			break
		}
		used += n
		l.chunk(k, &c)
	}
	if k.stage == stageLeaving {
		return len(in)
	}
	return used
}

// refuse tells what a Stream says to be wrong.
func (l *loop) refuse(k *link, err error) {
	l.n.refused.Add(1)
	fault := &ws.CloseError{Code: ws.CodeProtocol}
	errors.As(err, &fault) // as Stream.Next promises
	l.bye(k, fault.Code, fault.Reason)
}

// bye sends the Close frame.
func (l *loop) bye(k *link, code uint16, reason string) {
	l.wire = ws.AppendClose(l.wire, code, reason)
	l.leave(k)
}

// chunk answers one chunk.
func (l *loop) chunk(k *link, c *ws.Chunk) {
	switch c.Op {
	case ws.OpPing:
		l.n.pings.Add(1)
		l.wire = ws.AppendFrame(l.wire, ws.OpPong, c.Payload)
	case ws.OpPong:
	case ws.OpClose:
		// RFC 6455 5.5.1: the answer "typically echos the status code". The
		// Stream has checked it.
		code, _, _ := ws.ParseClose(c.Payload)
		l.bye(k, code, "")
	default:
		l.data(k, c)
	}
}

// data echoes a chunk of a data frame, by pieces that depend on the frame alone
// and not on how it was cut.
func (l *loop) data(k *link, c *ws.Chunk) {
	at, rest := c.At(), c.Payload
	for {
		p := pieceAt(c, at)
		n := min(p.size-p.have, len(rest))
		l.piece(k, p, rest[:n])
		at, rest = at+n, rest[n:]
		if len(rest) == 0 {
			break
		}
	}
	if c.Left > 0 {
		return
	}
	done := 0
	if c.Fin {
		done = 1
	}
	l.count(done, c.Size)
}

// piece is one frame to be sent.
type piece struct {
	op         ws.Opcode
	fin        bool
	size, have int // bytes of its payload in all, and before those at hand
}

// pieceAt is the piece that offset at of c's frame belongs to.
func pieceAt(c *ws.Chunk, at int) piece {
	begin := at / pieceLen * pieceLen
	p := piece{op: ws.OpContinuation, size: min(pieceLen, c.Size-begin), have: at - begin}
	if c.First && begin == 0 {
		p.op = c.Op
	}
	p.fin = c.Fin && begin+p.size == c.Size
	return p
}

// piece sends the piece if b, which follows what has come of it, makes it
// whole, and keeps it otherwise: were its beginning sent at once, a Close, which
// may have to come before its end, would be taken for payload.
func (l *loop) piece(k *link, p piece, b []byte) {
	if len(b) == p.size {
		l.wire = append(ws.AppendHeader(l.wire, p.op, p.fin, p.size), b...)
		return
	}
	h := l.hold(k)
	if p.have == 0 {
		h.piece = ws.AppendHeader(h.piece[:0], p.op, p.fin, p.size)
	}
	h.piece = append(h.piece, b...)
	if p.have+len(b) == p.size {
		l.wire = append(l.wire, h.piece...)
		h.piece = h.piece[:0]
		l.tidy(k, h)
	}
}
