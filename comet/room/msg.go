package room

import (
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// Encoding is how frames lie on a link's wire.
type Encoding uint8

const (
	TCP       Encoding = iota // frames one after the other
	WebSocket                 // one binary message a frame, or a batch (op 9) of several
)

// Msg is one push, encoded once and shared by all loops. Immutable, but for
// what Trace and Watch point to.
type Msg struct {
	Frame    []byte // header and body
	Op       uint32
	Lane     uint8         // of package ledger
	Expires  int64         // Unix time in microseconds; 0: never
	Collapse string        // of those that wait with the same key, the last is kept; "": no key
	Trace    *ledger.Trace // nil: nobody asks
	Watch    *ledger.Watch // nil: in no sampled trace
}

// NewMsg encodes a push.
func NewMsg(op uint32, body []byte, lane uint8, expires int64) *Msg {
	b := make([]byte, 0, frame.HeaderLen+len(body))
	return &Msg{Frame: frame.Append(b, frame.Op(op), 0, body), Op: op, Lane: lane, Expires: expires}
}

// Deliver counts n links that have got the push by now, and in took how long it
// took.
func (m *Msg) Deliver(n int, now time.Time, took *ledger.Times) {
	m.Trace.Deliver(n, now)
	m.Watch.Deliver(n, now)
	if m.Trace != nil && n > 0 {
		took.Add(m.Trace.Took(now), n)
	}
}

// End counts n links for which the push ended otherwise.
func (m *Msg) End(o ledger.Outcome, n int) {
	m.Trace.End(o, n)
	m.Watch.End(o, n)
}

// Expired reports whether nobody is to be served any more at now, in Unix
// microseconds.
func (m *Msg) Expired(now int64) bool { return m.Expires != 0 && m.Expires <= now }

// AppendFrame puts one frame on the wire of enc.
func AppendFrame(dst []byte, enc Encoding, f []byte) []byte {
	if enc == WebSocket {
		dst = ws.AppendHeader(dst, ws.OpBinary, true, len(f))
	}
	return append(dst, f...)
}

// AppendBlock puts msgs on the wire of enc. On WebSocket those that fit into
// batchMax bytes together share one message, as a frame of op 9.
func AppendBlock(dst []byte, enc Encoding, msgs []*Msg, batchMax int) []byte {
	for len(msgs) > 0 {
		n, size := 1, len(msgs[0].Frame)
		if enc == WebSocket {
			for n < len(msgs) && frame.HeaderLen+size+len(msgs[n].Frame) <= batchMax {
				size += len(msgs[n].Frame)
				n++
			}
			dst = appendBatchHead(dst, n, size)
		}
		for _, m := range msgs[:n] {
			dst = append(dst, m.Frame...)
		}
		msgs = msgs[n:]
	}
	return dst
}

func appendBatchHead(dst []byte, frames, size int) []byte {
	if frames == 1 {
		return ws.AppendHeader(dst, ws.OpBinary, true, size)
	}
	dst = ws.AppendHeader(dst, ws.OpBinary, true, frame.HeaderLen+size)
	return frame.AppendHeader(dst, frame.OpBatch, 0, size)
}
