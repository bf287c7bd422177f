package swarm

// sendBeats sends the heartbeats that are due. There is no timer a link: the
// cursor passes each of them once in the interval.
func (l *loop) sendBeats() {
	for range l.beats.due(l.now) {
		l.beats.deal()
		fd := l.next()
		if fd < 0 {
			continue
		}
		ln := &l.links[fd]
		if ln.beat != 0 {
			l.tally.beatsHeld++
			continue
		}
		ln.beat = micros(l.clock.Now())
		l.tally.beats++
		if ln.flags.has(overWS) {
			l.send(fd, l.beat[1])
		} else {
			l.send(fd, l.beat[0])
		}
	}
}

// churn closes the links whose turn it is, and has them dialled anew.
func (l *loop) churn() {
	for range l.churns.due(l.now) {
		l.churns.deal()
		fd := l.next()
		if fd < 0 {
			continue
		}
		ln := l.links[fd]
		l.tally.churned++
		l.close(fd, l.churnReset)
		d := l.dials[ln.party]
		d.again = append(d.again, attempt{number: ln.number, settled: true, at: l.now})
	}
}

// stall has a share of the live links stop reading, evenly spread.
func (l *loop) stall(a StallArgs) {
	sum := 0.0
	for fd := range l.links {
		ln := &l.links[fd]
		if ln.state != live || ln.flags.has(stalled) {
			continue
		}
		if sum += a.Share; sum < 1 {
			continue
		}
		sum--
		ln.flags |= stalled | slept
		l.stalls++
	}
}

// resume has all links read again.
func (l *loop) resume() {
	for fd := range l.links {
		ln := &l.links[fd]
		if ln.state != live || !ln.flags.has(stalled) {
			continue
		}
		l.stalls--
		if ln.flags.has(unread) {
			l.more = append(l.more, tenant{fd, ln.gen})
		}
		ln.flags &^= stalled | unread
	}
}

// reset starts a measurement.
func (l *loop) reset(run uint32) {
	l.run, l.tally = run, tally{}
	l.latency.Reset()
	l.beatLatency.Reset()
	l.join.Reset()
	for fd := range l.links {
		ln := &l.links[fd]
		if ln.state != live {
			continue
		}
		ln.room, ln.everyone, ln.sent, ln.messages = 1, 1, 0, 0
		ln.flags |= steady
		if !ln.flags.has(stalled) {
			ln.flags &^= slept
		}
	}
}

// count adds a loop's counts to c.
func (l *loop) count(c *Counts) {
	t := &l.tally
	c.Messages += t.messages
	c.Bytes += t.bytes
	c.Gaps += t.gaps
	c.Doubles += t.doubles
	c.Wrong += t.wrong
	c.Stale += t.stale
	c.StalledMessages += t.sleptMessages
	c.Beats += t.beats
	c.BeatReplies += t.beatReplies
	c.BeatsHeld += t.beatsHeld
	c.EchoesSent += t.echoesSent
	c.EchoesHeld += t.echoesHeld
	c.Churned += t.churned
	c.Joined += t.joined
	for i := range l.links {
		ln := &l.links[i]
		if ln.state != live || !ln.flags.has(steady) || ln.flags.has(slept) {
			continue
		}
		got := int64(ln.messages)
		if c.Steady == 0 || got < c.Least {
			c.Least = got
		}
		c.Most = max(c.Most, got)
		c.Steady++
	}
	add(&c.Failed, l.failed)
	add(&c.Lost, l.lost)
}

func add(to *map[string]int64, from map[string]int64) {
	if *to == nil {
		*to = map[string]int64{}
	}
	for why, n := range from {
		(*to)[why] += n
	}
}
