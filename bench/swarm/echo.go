package swarm

import (
	"encoding/binary"

	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/proto/frame"
)

// echoOp is the op of messages sent for their echo.
const echoOp = frame.MinPushOp

// echoing sends stamped messages for their echoes, which are received like
// pushes. The zero echoing does nothing.
type echoing struct {
	begun bool // since the last reset: what comes are echoes
	run   uint32
	depth uint32
	pace  pace
	tcp   []byte // a message, as sent on TCP
	ws    []byte // and masked, on WebSocket
}

func newEchoing(a EchoArgs, rate float64, now int64) echoing {
	e := echoing{begun: true, run: a.Run, depth: uint32(max(0, a.Depth)), pace: newPace(rate, now)}
	body := stamp.Append(nil, stamp.Stamp{Run: a.Run}, a.Size)
	e.tcp = frame.Append(nil, echoOp, 0, body)
	e.ws = appendMessage(nil, true, e.tcp)
	return e
}

// feed keeps depth messages of a link under way.
func (e *echoing) feed(l *loop, fd int) {
	for ln := &l.links[fd]; e.depth > 0 && ln.state == live && !ln.flags.has(unsent) && ln.sent-(max(ln.room, 1)-1) < e.depth; {
		e.send(l, fd, l.clock.Now())
	}
}

// send sends one message of a link, which was due at at.
func (e *echoing) send(l *loop, fd int, at int64) {
	ln := &l.links[fd]
	ln.sent++
	l.tally.echoesSent++
	s := stamp.Stamp{Run: e.run, Room: ln.number, Seq: ln.sent, Sent: at}
	binary.BigEndian.PutUint32(e.tcp[12:], ln.sent)
	stamp.Append(e.tcp[:frame.HeaderLen], s, 0)
	if !ln.flags.has(overWS) {
		l.send(fd, e.tcp)
		return
	}
	payload := e.ws[len(e.ws)-len(e.tcp):]
	for i, b := range e.tcp[:frame.HeaderLen+stamp.Len] {
		payload[i] = b ^ maskKey[i&3]
	}
	l.send(fd, e.ws)
}

// sendEchoes sends the messages that are due by rate.
func (l *loop) sendEchoes() {
	e := &l.echoes
	for range e.pace.due(l.now) {
		at := e.pace.deal()
		fd := l.next()
		if fd < 0 {
			continue
		}
		if l.links[fd].flags.has(unsent) {
			l.tally.echoesHeld++
			continue
		}
		e.send(l, fd, at)
	}
}
