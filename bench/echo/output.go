package echo

// held is what a link keeps in memory. It exists only while it holds something.
type held struct {
	piece []byte // of a WebSocket frame that is not whole yet, as it will be sent
	out   []byte // what the socket has not taken; the link is not read meanwhile
	sent  int    // of out
}

// spares bounds the buffers that a loop keeps for the next one who needs them:
// 256 of at most two pieces are 32 MiB.
const spares = 256

// hold is what k holds, made if need be.
func (l *loop) hold(k *link) *held {
	h := l.held[k.id.Slot]
	if h != nil {
		return h
	}
	if n := len(l.spare); n > 0 {
		h, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		h = &held{}
	}
	l.held[k.id.Slot] = h
	return h
}

// tidy lets go of h if there is nothing in it.
func (l *loop) tidy(k *link, h *held) {
	if len(h.piece) == 0 && len(h.out) == 0 {
		l.release(k.id.Slot)
	}
}

// release forgets what a link holds.
func (l *loop) release(slot uint32) {
	h := l.held[slot]
	if h == nil {
		return
	}
	delete(l.held, slot)
	if len(l.spare) < spares {
		*h = held{piece: h.piece[:0], out: h.out[:0]}
		l.spare = append(l.spare, h)
	}
}

// send hands wire to the socket. What that does not take waits, and meanwhile
// the link is not read, so that what waits is bounded by what one read gave.
func (l *loop) send(k *link, wire []byte) {
	if h := l.held[k.id.Slot]; h != nil && len(h.out) > 0 {
		h.out = append(h.out, wire...) // only a Close comes here
		return
	}
	n := 0
	if len(wire) > 0 {
		var err error
		if n, err = l.poller.Write(k.id, wire); err != nil {
			return // OnClose follows
		}
	}
	if n < len(wire) {
		h := l.hold(k)
		h.out, h.sent = append(h.out[:0], wire[n:]...), 0
		l.poller.Pause(k.id)
		return
	}
	l.end(k)
}

// goOn sends what waits, and reads on when nothing does.
func (l *loop) goOn(k *link, h *held) {
	n, err := l.poller.Write(k.id, h.out[h.sent:])
	if err != nil {
		return
	}
	if h.sent += n; h.sent < len(h.out) {
		return
	}
	h.out, h.sent = h.out[:0], 0
	l.tidy(k, h)
	l.end(k)
	l.poller.Resume(k.id)
}
