package swarm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"
	"time"

	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// maxReads is how often a link is read in a turn, so that it does not keep the
// loop for itself.
const maxReads = 16

// happened serves one event of one link.
func (l *loop) happened(fd int, what happening) {
	ln := &l.links[fd]
	if ln.state == connecting {
		if err := connected(fd); err != nil {
			l.end(fd, reasonOf(err))
			return
		}
		if !what.writable() {
			return
		}
		l.greet(fd)
	}
	gen := ln.gen
	if what.writable() && ln.flags.has(unsent) {
		l.sendOn(fd)
	}
	if what.readable() && ln.gen == gen && ln.state != free {
		l.readable(fd, what)
	}
}

// readable reads a link, unless it is stalled: then its end is all that is
// looked for.
func (l *loop) readable(fd int, what happening) {
	ln := &l.links[fd]
	if !ln.flags.has(stalled) {
		l.read(fd, what.ending())
		return
	}
	ln.flags |= unread
	if what.broken() {
		if err := connected(fd); err != nil {
			l.end(fd, reasonOf(err))
		}
	}
}

// readOn reads the links that were not read to the end.
func (l *loop) readOn() {
	more := l.more
	l.more = nil
	for _, t := range more {
		if ln := &l.links[t.fd]; ln.gen == t.gen && ln.state != free && !ln.flags.has(stalled) {
			l.read(t.fd, true)
		}
	}
}

// read takes what a link's socket has, to the end, since its event comes only
// once. A short read is the end, unless the peer has ended too: what comes
// later is another event.
func (l *loop) read(fd int, ending bool) {
	gen := l.links[fd].gen
	for range maxReads {
		begun := l.takeRest(fd)
		n, errno := recv(fd, l.buf[begun:])
		switch {
		case errno == syscall.EAGAIN:
			l.keepRest(fd, l.buf[:begun])
			return
		case errno != 0:
			l.end(fd, reasonOf(errno))
			return
		case n == 0:
			l.end(fd, "ended by server")
			return
		}
		l.tally.bytes += int64(n)
		l.now = l.clock.Now()
		used, err := l.take(fd, l.buf[:begun+n])
		switch {
		case l.links[fd].gen != gen || l.links[fd].state == free:
			return
		case err != nil:
			l.end(fd, reasonOf(err))
			return
		}
		l.keepRest(fd, l.buf[used:begun+n])
		if begun+n < len(l.buf) && !ending {
			return
		}
	}
	l.more = append(l.more, tenant{fd, gen})
}

// keepRest keeps what could not be taken yet. Few links have such a rest, and
// none for long, so it is not worth a field.
func (l *loop) keepRest(fd int, b []byte) {
	if len(b) > 0 {
		l.rests[fd] = bytes.Clone(b)
		l.links[fd].flags |= kept
	}
}

// takeRest puts it in front of what is read next and returns its length.
func (l *loop) takeRest(fd int) int {
	if !l.links[fd].flags.has(kept) {
		return 0
	}
	n := copy(l.buf[:], l.rests[fd])
	delete(l.rests, fd)
	l.links[fd].flags &^= kept
	return n
}

// take serves what b holds and returns how much of it that was. The link may
// be gone afterwards.
func (l *loop) take(fd int, b []byte) (used int, err error) {
	ln := &l.links[fd]
	for gen := ln.gen; ln.gen == gen && ln.state != free; {
		var n int
		if ln.state == upgrading {
			if n, err = l.upgraded(fd, b[used:]); n == 0 || err != nil {
				return used, err
			}
			used += n
			continue
		}
		it, found, n, err := ln.parser.next(b[used:], ln.flags.has(overWS))
		used += n
		switch {
		case err != nil:
			return used, err
		case found:
			if err := l.received(fd, it); err != nil {
				return used, err
			}
		case n == 0:
			return used, nil
		}
	}
	return used, nil
}

// received serves one frame.
func (l *loop) received(fd int, it item) error {
	ln := &l.links[fd]
	switch {
	case it.control != 0:
		return l.controlled(fd, it)
	case it.op == frame.OpDisconnect:
		return disconnected(it.body)
	case ln.state == joining:
		if it.op != frame.OpAuthReply || it.seq != authSeq {
			return fmt.Errorf("%w: op %v before the auth reply", errProtocol, it.op)
		}
		l.joined(fd)
	case it.op >= frame.MinPushOp:
		l.message(ln, it.body)
		l.echoes.feed(l, fd)
	case it.op == frame.OpHeartbeatReply:
		return l.beatReply(ln, it)
	}
	return nil
}

// controlled serves a WebSocket control frame.
func (l *loop) controlled(fd int, it item) error {
	switch it.control {
	case ws.OpPing:
		l.scratch = ws.AppendMasked(l.scratch[:0], ws.OpPong, true, maskKey, it.body)
		l.send(fd, l.scratch)
	case ws.OpClose:
		code, _, err := ws.ParseClose(it.body)
		if err != nil {
			return fmt.Errorf("%w: %w", errProtocol, err)
		}
		return ended(fmt.Sprintf("closed %d", code))
	}
	return nil
}

// disconnected is the reason in an op 6: {"code":3004,…
func disconnected(body []byte) error {
	_, rest, _ := bytes.Cut(body, []byte(`"code":`))
	code := 0
	for _, c := range rest {
		if c < '0' || c > '9' || code > 9999 {
			break
		}
		code = code*10 + int(c-'0')
	}
	return ended(fmt.Sprintf("disconnected %d", code))
}

// message checks a push against what the link is owed, and counts it.
func (l *loop) message(ln *link, body []byte) {
	l.tally.received++
	s, ok := stamp.Parse(body)
	switch {
	case !ok:
		l.tally.wrong++
		return
	case s.Run != l.run:
		l.tally.stale++
		return
	}
	expected := &ln.room
	if s.Room == stamp.Everyone {
		expected = &ln.everyone
	} else if s.Room != l.owed(ln) {
		l.tally.wrong++
		return
	}
	switch {
	case *expected == 0 || s.Seq == *expected:
	case s.Seq < *expected:
		l.tally.doubles++
		return
	default:
		l.tally.gaps += int64(s.Seq - *expected)
	}
	*expected = s.Seq + 1
	ln.messages++
	l.tally.messages++
	if ln.flags.has(slept) {
		l.tally.sleptMessages++
		return
	}
	l.latency.Record(time.Duration(l.now - s.Sent))
}

// owed is the Room of stamps that a link may get: its room's index, or with
// echoes its own number.
func (l *loop) owed(ln *link) uint32 {
	if l.echoes.begun {
		return ln.number
	}
	return l.dials[ln.party].room(ln.number)
}

// heartbeats are what links send: on TCP, on WebSocket.
func heartbeats() [2][]byte {
	bare := frame.Append(nil, frame.OpHeartbeat, beatSeq, nil)
	return [2][]byte{bare, appendMessage(nil, true, bare)}
}

// beatSeq is the seq of heartbeats. A link has one under way at most.
const beatSeq = 2

func (l *loop) beatReply(ln *link, it item) error {
	if ln.beat == 0 || it.seq != beatSeq || len(it.body) != 4 {
		return fmt.Errorf("%w: a heartbeat reply that nobody waits for", errProtocol)
	}
	l.beatLatency.Record(time.Duration(since(ln.beat, l.now)))
	ln.beat = 0
	l.tally.beatReplies++
	if p := l.dials[ln.party]; p.Rooms > 0 && int32(binary.BigEndian.Uint32(it.body)) < 1 {
		l.tally.wrong++ // the link itself is in its room
	}
	return nil
}
