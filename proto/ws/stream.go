package ws

// Stream is State for a server that takes data frames in pieces, as they come,
// and so never holds a message, however long; and that takes text, which is
// checked to be UTF-8. The zero Stream is that of a link just upgraded. It takes
// 28 bytes, no pointer, and holds no payload but a character that is cut.
type Stream struct {
	state State
	// The data frame that is not whole yet.
	size  uint32 // its payload
	left  uint32 // what has not come of it; 0: there is none
	key   [4]byte
	op    Opcode
	first bool
	fin   bool

	text Text
}

// Chunk is a piece of a data frame, or a whole control frame.
type Chunk struct {
	// Op is the opcode; of a continuation, that of its message.
	Op Opcode
	// First and Fin mark the frames that begin and end a message, on each
	// chunk of the frame. Both are set on a control frame.
	First, Fin bool
	// Size is the payload of the whole frame, and Left what of it is still to
	// come behind this chunk.
	Size, Left int
	// Payload aliases the bytes that were read, unmasked there, and lives no
	// longer than these. Its capacity ends with it. It is empty only in a frame
	// without payload.
	Payload []byte
}

// At is where in its frame's payload the chunk begins.
func (c *Chunk) At() int { return c.Size - c.Left - len(c.Payload) }

// Next reads a chunk from b: as much as b holds of the data frame that is under
// way or begins there, or one whole control frame. n is how many bytes of b
// that took.
//
// n == 0 with a nil error means that more bytes are needed; of those that are
// there at most MaxHeader + MaxControl are kept waiting. Bytes that were taken
// have been unmasked in b.
//
// The error is a *CloseError, told as soon as the bytes show it, for text that
// is not UTF-8 within the frame. It is as final as that of State.Next.
func (s *Stream) Next(b []byte, lim Limits) (c Chunk, n int, err error) {
	if s.left > 0 {
		return s.payload(b)
	}
	h, head, err := s.state.header(b, lim)
	switch {
	case err != nil || head == 0:
		return Chunk{}, 0, err
	case h.Op.Control():
		return s.control(b, lim)
	case h.Len > 0 && len(b) == head:
		return Chunk{}, 0, nil // so that no chunk is empty
	}
	p, err := s.state.take(h, nil)
	if err != nil {
		return Chunk{}, 0, err
	}
	s.op, s.first, s.fin = p.Op, p.First, p.Fin
	s.size, s.left, s.key = uint32(h.Len), uint32(h.Len), h.Key
	c, n, err = s.payload(b[head:])
	if err != nil {
		return Chunk{}, 0, err
	}
	return c, head + n, nil
}

// control reads a control frame, which is short, as a whole.
func (s *Stream) control(b []byte, lim Limits) (Chunk, int, error) {
	p, n, err := s.state.Next(b, lim)
	if err != nil || n == 0 {
		return Chunk{}, 0, err
	}
	return Chunk{Op: p.Op, First: true, Fin: true, Size: len(p.Payload), Payload: p.Payload}, n, nil
}

// payload reads what b holds of the data frame under way.
func (s *Stream) payload(b []byte) (Chunk, int, error) {
	n := min(len(b), int(s.left))
	b = b[:n:n]
	mask(b, s.key)
	s.key = turn(s.key, n)
	s.left -= uint32(n)
	if s.op == OpText && !s.validText(b) {
		// 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but
		// finds that the byte stream is not, in fact, a valid UTF-8 stream,
		// that endpoint MUST _Fail the WebSocket Connection_".
		return Chunk{}, 0, errTextUTF8
	}
	return Chunk{Op: s.op, First: s.first, Fin: s.fin, Size: int(s.size), Left: int(s.left), Payload: b}, n, nil
}

// validText checks more of a text message, and its end where that has come.
func (s *Stream) validText(b []byte) bool {
	if !s.text.Take(b) {
		return false
	}
	return !s.fin || s.left > 0 || s.text.Whole()
}
