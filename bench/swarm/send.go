package swarm

import "bytes"

// send sends b on a link, behind what its socket did not take before. What it
// does not take now is kept. An error of the socket is left to reading, which
// sees it too, behind the peer's last words.
func (l *loop) send(fd int, b []byte) {
	ln := &l.links[fd]
	if ln.flags.has(unsent) {
		l.outs[fd] = append(l.outs[fd], b...)
		return
	}
	n, _ := send(fd, b)
	l.keep(fd, b[n:])
}

// keep keeps what a socket did not take, if there is any.
func (l *loop) keep(fd int, rest []byte) {
	if len(rest) > 0 {
		l.outs[fd] = bytes.Clone(rest)
		l.links[fd].flags |= unsent
	}
}

// sendOn sends what was kept, since the socket takes bytes again.
func (l *loop) sendOn(fd int) {
	out := l.outs[fd]
	n, _ := send(fd, out)
	if n < len(out) {
		l.outs[fd] = out[n:]
		return
	}
	delete(l.outs, fd)
	l.links[fd].flags &^= unsent
	l.echoes.feed(l, fd)
}
