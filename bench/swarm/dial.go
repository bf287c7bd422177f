package swarm

import (
	"bytes"
	"fmt"
	"syscall"
	"time"

	"github.com/oortim/oort/proto/ws"
)

// dialling is a loop's part of a party.
type dialling struct {
	*party
	index     uint8
	next, end uint32 // numbers that have not been begun
	pace      pace   // of those
	underWay  int    // how many may be, on this loop; 0 until its turn comes
	passed    bool   // it has had its turn
	again     []attempt
}

// attempt is a link to be dialled once more.
type attempt struct {
	number  uint32
	tries   uint8
	settled bool
	at      int64
}

const (
	// retryAfter is the pause before a link is tried again.
	retryAfter = 200 * time.Millisecond
	// sweepTime is how often deadlines are looked at.
	sweepTime = 250 * time.Millisecond
	// atOnce is how many links are begun in a turn.
	atOnce = 64
	// maxHead bounds the answer to an upgrade.
	maxHead = 4 << 10
)

// wait is how long until the next link of d can be begun; negative for as long
// as nothing else happens.
func (d *dialling) wait(now int64, underWay int) time.Duration {
	if underWay >= d.underWay {
		return -1
	}
	wait := time.Duration(-1)
	if d.next < d.end {
		wait = 0
		if d.pace.rate > 0 {
			wait = d.pace.wait(now)
		}
	}
	if len(d.again) > 0 {
		if at := time.Duration(max(0, d.again[0].at-now)); wait < 0 || at < wait {
			wait = at
		}
	}
	return wait
}

// begin begins links that are due.
func (l *loop) begin() {
	for _, d := range l.dials {
		for range atOnce {
			if l.underWay >= d.underWay || !l.beginOne(d) {
				break
			}
		}
		if !d.passed && d.begun() && l.underWay == 0 {
			d.passed = true
			d.relay.pass(d.index)
		}
	}
}

// begun says whether all links of d have been begun that are to be.
func (d *dialling) begun() bool {
	return d.party != nil && d.next == d.end && len(d.again) == 0 && d.underWay > 0
}

// beginOne begins the next link of d that is due; false if there is none.
func (l *loop) beginOne(d *dialling) bool {
	switch {
	case len(d.again) > 0 && d.again[0].at <= l.now:
		a := d.again[0]
		if d.again = d.again[1:]; len(d.again) == 0 {
			d.again = nil
		}
		l.dial(d, a)
	case d.next < d.end && (d.pace.rate == 0 || d.pace.due(l.now) > 0):
		d.pace.done++
		d.next++
		l.dial(d, attempt{number: d.next - 1})
	default:
		return false
	}
	return true
}

// dial begins one link.
func (l *loop) dial(d *dialling, a attempt) {
	t := d.target(a.number)
	fd, err := connect(d.source(a.number), t.addr, t.upgrade == nil && d.Bare)
	if err == nil && fd >= len(l.links) {
		hangUp(fd, true)
		err = syscall.EMFILE
	}
	if err != nil {
		l.tryAgain(d, a, reasonOf(err))
		return
	}
	gen := l.links[fd].gen + 1
	ln := link{number: a.number, gen: gen, began: micros(l.clock.Now()), state: connecting, tries: a.tries, party: d.index}
	if a.settled {
		ln.flags |= settled
	}
	if t.upgrade != nil {
		ln.flags |= overWS
	}
	l.links[fd] = ln
	l.underWay++
	err = l.hail(fd)
	if err == nil {
		err = l.poll.add(fd, gen)
	}
	if err != nil {
		l.end(fd, reasonOf(err))
	}
}

// hail says the first words on a link that may be connected already: on one host
// it is when connect(2) returns. Otherwise the socket takes nothing, and its
// event will tell how the connect has ended; what send(2) has told, it will not.
func (l *loop) hail(fd int) error {
	words := l.firstWords(&l.links[fd])
	if len(words) == 0 {
		return nil
	}
	n, errno := send(fd, words)
	switch {
	case errno == syscall.EAGAIN:
		return nil
	case errno != 0:
		return errno
	}
	l.said(fd, words[n:])
	return nil
}

// tryAgain has a link that failed tried again, or counts it as failed.
func (l *loop) tryAgain(d *dialling, a attempt, why string) {
	if int(a.tries) < d.Retries {
		l.retries++
		a.tries++
		a.at = l.now + int64(retryAfter)
		d.again = append(d.again, a)
		return
	}
	count(l.failed, why)
	if !a.settled {
		d.settle(1)
	}
}

// greet says the first words on a link that is connected, or upgraded.
func (l *loop) greet(fd int) {
	words := l.firstWords(&l.links[fd])
	if len(words) == 0 {
		l.joined(fd)
		return
	}
	n, _ := send(fd, words) // an error is left to reading; see loop.send
	l.said(fd, words[n:])
}

// firstWords are what a link in its state has to say first, in l.scratch: none
// if it is bare.
func (l *loop) firstWords(ln *link) []byte {
	p := l.dials[ln.party].party
	switch {
	case ln.flags.has(overWS) && ln.state == connecting:
		return p.target(ln.number).upgrade
	case p.Bare:
		return nil
	}
	auth := p.appendAuth(l.scratch[:0], ln.number)
	l.scratch = appendMessage(auth, ln.flags.has(overWS), auth)
	return l.scratch[len(auth):]
}

// said moves a link on that has said its first words, but for the rest.
func (l *loop) said(fd int, rest []byte) {
	ln := &l.links[fd]
	if ln.flags.has(overWS) && ln.state == connecting {
		ln.state = upgrading
	} else {
		ln.state = joining
	}
	l.keep(fd, rest)
}

var endOfHead = []byte("\r\n\r\n")

// upgraded reads the answer to an upgrade, and takes n bytes if it is whole.
func (l *loop) upgraded(fd int, b []byte) (n int, err error) {
	n = bytes.Index(b, endOfHead)
	switch {
	case n < 0 && len(b) > maxHead:
		return 0, fmt.Errorf("%w: an upgrade's answer of more than %d bytes", errProtocol, maxHead)
	case n < 0:
		return 0, nil
	case !bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")):
		return 0, ended(fmt.Sprintf("upgrade refused: %.12q", b))
	case !bytes.Contains(b[:n], ws.AppendAcceptKey(nil, challenge)):
		return 0, fmt.Errorf("%w: an upgrade of another challenge", errProtocol)
	}
	l.greet(fd)
	return n + len(endOfHead), nil
}

// joined makes a link live.
func (l *loop) joined(fd int) {
	ln := &l.links[fd]
	ln.state = live
	l.underWay--
	l.living++
	l.tally.joined++
	l.join.Record(time.Duration(since(ln.began, l.clock.Now())))
	ln.tries = 0
	if !ln.flags.has(settled) {
		ln.flags |= settled
		l.dials[ln.party].settle(1)
	}
	l.echoes.feed(l, fd)
}

// end ends a link that this side did not mean to end: one that is dialled will
// be tried again, one that was live is lost.
func (l *loop) end(fd int, why string) {
	ln := l.links[fd]
	l.close(fd, false)
	if ln.state == live {
		count(l.lost, why)
		return
	}
	l.tryAgain(l.dials[ln.party], attempt{number: ln.number, tries: ln.tries, settled: ln.flags.has(settled)}, why)
}

// close gives a link's descriptor back, and all that is kept for it.
func (l *loop) close(fd int, reset bool) {
	ln := &l.links[fd]
	switch ln.state {
	case free:
		return
	case live:
		l.living--
		if ln.flags.has(stalled) {
			l.stalls--
		}
	default:
		l.underWay--
	}
	delete(l.rests, fd)
	delete(l.outs, fd)
	hangUp(fd, reset)
	*ln = link{gen: ln.gen}
}

// closeAll closes every link and forgets those that were to be dialled.
func (l *loop) closeAll(reset bool) {
	for _, d := range l.dials {
		l.abandon(d)
	}
	for fd := range l.links {
		l.close(fd, reset)
	}
}

// abandon ends the dialling of d: what is not live will not be.
func (l *loop) abandon(d *dialling) {
	unsettled := int(d.end - d.next)
	for _, a := range d.again {
		if !a.settled {
			unsettled++
		}
	}
	d.next, d.again = d.end, nil
	for fd := range l.links {
		ln := &l.links[fd]
		if ln.state == free || ln.state == live || ln.party != d.index {
			continue
		}
		if !ln.flags.has(settled) {
			unsettled++
		}
		l.close(fd, true)
	}
	if unsettled > 0 {
		l.failed["abandoned"] += int64(unsettled)
		d.settle(unsettled)
	}
}

// sweep ends links whose dial takes too long.
func (l *loop) sweep() {
	if l.underWay == 0 || l.now-l.swept < int64(sweepTime) {
		return
	}
	l.swept = l.now
	for fd := range l.links {
		ln := &l.links[fd]
		if ln.state == free || ln.state == live {
			continue
		}
		if since(ln.began, l.now) > int64(l.dials[ln.party].Timeout) {
			l.end(fd, "timed out "+ln.state.String())
		}
	}
}
