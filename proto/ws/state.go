package ws

import "math"

// State is the receiving side of one link at a server. The zero State is that
// of a link just upgraded. It holds no bytes of any message:
//
//	  data, FIN                  data, no FIN
//	┌──────────┐    ┌─────────────────────────────────┐
//	│          ▼    │                                 ▼
//	└───────── between messages                   in a message ──┐
//	                ▲   │                          │  ▲   │      │ continuation,
//	                │   │     continuation, FIN    │  └───┼──────┘ no FIN
//	                └───┼──────────────────────────┘      │
//	                    └───────────► closed ◄────────────┘  Close
//
// Pings and pongs come anywhere before the Close and change nothing.
type State struct {
	size   uint32 // payload bytes of the message so far
	frames uint16 // fragments of it so far
	op     Opcode // of the message; 0 between messages
	closed bool   // a Close was read
}

// Limits of what a State takes.
type Limits struct {
	// Message bounds the payload of one message, all its fragments together,
	// in bytes. Zero means 1 MiB; more than 2 GiB - 1 means that.
	Message int
	// Fragments bounds the frames of one message: without it empty
	// continuations cost time for ever and never reach Message. Zero means
	// 128; more than 65,535 means that. Negative means no bound, for a server
	// that answers each fragment with one, and so pays no more than its peer.
	Fragments int
}

// Defaults and ends of Limits.
const (
	defaultMessage   = 1 << 20
	defaultFragments = 128
)

func (l Limits) message() int64 {
	if l.Message <= 0 {
		return defaultMessage
	}
	return min(int64(l.Message), math.MaxInt32)
}

func (l Limits) fragments() int {
	switch {
	case l.Fragments == 0:
		return defaultFragments
	case l.Fragments < 0:
		return math.MaxInt
	}
	return min(l.Fragments, math.MaxUint16)
}

// Part is one frame as a server reads it: a message, a fragment of one, or a
// control frame between fragments.
type Part struct {
	// Op is the opcode; of a continuation, that of its message, so it is never
	// OpContinuation.
	Op Opcode
	// First and Fin mark the first and the last frame of a message. Both are
	// set on a control frame.
	First, Fin bool
	// Payload aliases the bytes that the frame was read from, unmasked there,
	// and lives no longer than these. Its capacity ends with it. Text is not
	// checked to be UTF-8: see Text, or let a Stream do it.
	Payload []byte
}

// Next reads the frame that b begins with. n is its length, header and
// payload; the next one begins at b[n:].
//
// n == 0 with a nil error means that b ends before the frame does: call again
// with the same bytes and more behind them; neither b nor s has changed. A
// whole frame is unmasked in b, so its bytes must not be given to Next again.
//
// The error is a *CloseError, told as soon as the header shows it and before
// the payload has come. It is final: send the Close frame, close the link, and
// do not call Next again. The same after a Part with OpClose, whose payload
// has been checked (see ParseClose).
func (s *State) Next(b []byte, lim Limits) (p Part, n int, err error) {
	h, head, err := s.header(b, lim)
	if err != nil || head == 0 {
		return Part{}, 0, err
	}
	// admit has bounded h.Len, so the sum fits.
	n = head + int(h.Len)
	if len(b) < n {
		return Part{}, 0, nil
	}
	payload := b[head:n:n]
	mask(payload, h.Key)
	if p, err = s.take(h, payload); err != nil {
		return Part{}, 0, err
	}
	return p, n, nil
}

// header reads the header that b begins with, if such a frame may come now; n
// is its length, 0 while it is not whole. It changes nothing.
func (s *State) header(b []byte, lim Limits) (h Header, n int, err error) {
	if s.closed && len(b) > 0 {
		// 5.5.1: an application "MUST NOT send any more data frames after
		// sending a Close frame".
		return Header{}, 0, errAfterClose
	}
	h, n, err = ParseHeader(b)
	if err != nil || n == 0 {
		return Header{}, 0, err
	}
	if err := s.admit(h, lim); err != nil {
		return Header{}, 0, err
	}
	return h, n, nil
}

// admit says whether a frame with header h may come now. It changes nothing.
func (s *State) admit(h Header, lim Limits) error {
	switch {
	case !h.Masked:
		// 5.1: "The server MUST close the connection upon receiving a frame
		// that is not masked".
		return errUnmasked
	case h.Op == OpClose && h.Len == 1:
		// 5.5.1: a body begins with a 2-byte code.
		return errCloseLen
	case h.Op.Control():
		return nil
	case h.Op == OpContinuation && s.op == 0:
		// 5.4: a continuation continues a message that has begun.
		return errOrphan
	case h.Op != OpContinuation && s.op != 0:
		// 5.4: "The fragments of one message MUST NOT be interleaved between
		// the fragments of another message".
		return errInterleaved
	case h.Len > lim.message()-int64(s.size):
		return errTooBig
	case int(s.frames) >= lim.fragments():
		return errFragments
	}
	return nil
}

// take makes the Part of a frame that was admitted and is whole.
func (s *State) take(h Header, payload []byte) (Part, error) {
	p := Part{Op: h.Op, First: true, Fin: h.Fin, Payload: payload}
	switch {
	case h.Op == OpClose:
		if _, _, err := ParseClose(payload); err != nil {
			return Part{}, err
		}
		s.closed = true
		return p, nil
	case h.Op.Control():
		return p, nil
	case h.Op == OpContinuation:
		p.Op, p.First = s.op, false
	}
	if h.Fin {
		*s = State{}
		return p, nil
	}
	s.op = p.Op
	s.size += uint32(h.Len)
	s.frames++ // where no bound holds it may wrap, and is not looked at
	return p, nil
}
