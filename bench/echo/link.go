package echo

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// stage is what the next bytes of a link must be; see the package comment.
type stage uint8

const (
	stageSniff stage = iota
	stageFrames
	stageHead
	stageWS
	stageLeaving // nothing: what comes is thrown away
)

// link is the record of one link, without pointers. Owned by the loop.
type link struct {
	id    poller.ID // zero: free
	stage stage
	ended bool   // our side is
	left  uint32 // of the TCP frame under way, bytes to come
	ws    ws.Stream
}

// errLinger closes a link whose peer did not end its side.
var errLinger = errors.New("echo: the peer did not end")

// take uses up what it can of in and gathers in l.wire what is to be sent.
func (l *loop) take(k *link, in []byte) (used int) {
	if k.stage == stageSniff {
		k.stage = stageFrames
		if in[0] == 'G' {
			k.stage = stageHead
		}
	}
	if k.stage == stageHead {
		used = l.head(k, in)
		in = in[used:]
	}
	switch k.stage {
	case stageFrames:
		used += l.frames(k, in)
	case stageWS:
		used += l.messages(k, in)
	case stageLeaving:
		used += len(in)
	}
	return used
}

// frames echoes TCP frames: every byte as soon as it is there, once the header
// of its frame has shown to be right.
func (l *loop) frames(k *link, in []byte) (used int) {
	done := 0
	for used < len(in) {
		if k.left == 0 && !l.begin(k, in[used:]) {
			break
		}
		n := min(len(in)-used, int(k.left))
		used += n
		if k.left -= uint32(n); k.left == 0 {
			done++
		}
	}
	l.wire = append(l.wire, in[:used]...)
	l.count(done, used)
	if k.stage == stageLeaving {
		return len(in)
	}
	return used
}

// begin reads the header of a frame; false if it is not whole, or wrong.
func (l *loop) begin(k *link, b []byte) bool {
	_, n, err := frame.Next(b, l.maxMessage)
	if err != nil {
		l.n.refused.Add(1)
		l.leave(k)
		return false
	}
	if n == 0 {
		if len(b) < frame.HeaderLen {
			return false
		}
		n = int(binary.BigEndian.Uint32(b)) // Next has found it right
	}
	k.left = uint32(n)
	return true
}

// count counts echoes.
func (l *loop) count(messages, bytes int) {
	l.n.messages.Add(uint64(messages))
	l.n.bytes.Add(uint64(bytes))
}

// goAway ends a link because the server ends.
func (l *loop) goAway(k *link) {
	l.wire = l.wire[:0]
	switch k.stage {
	case stageLeaving:
		return
	case stageWS:
		l.wire = ws.AppendClose(l.wire, ws.CodeGoingAway, "stopped")
	}
	l.leave(k)
	l.send(k, l.wire)
}

// leave says that nothing more of the link matters. Our side ends when the
// socket has taken all that was to be sent.
func (l *loop) leave(k *link) { k.stage = stageLeaving }

// end ends our side of a link that leaves. It is not closed at once, because
// what the peer may have sent meanwhile would have the system reset the
// connection, and the last word would be lost.
func (l *loop) end(k *link) {
	if k.stage != stageLeaving || k.ended {
		return
	}
	k.ended = true
	l.poller.CloseWrite(k.id)
	l.leaving = append(l.leaving, deadline{k.id, time.Now().Add(linger)})
}
