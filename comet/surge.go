package comet

// surge widens the advice on when to come back while more links are turned away
// than let in, so that a storm of a million is spread over the time that it
// takes to let them in, and not over the same few seconds again and again.
type surge struct {
	begun             uint32 // of the window, in ticks
	turnedAway, letIn int    // in the window
	widen             int    // factor from the window before
}

// mostWiden bounds the factor: with the default of 2 s, advice is up to a minute.
const mostWiden = 16

// factor is by how much advice is widened now.
func (s *surge) factor() int { return max(s.widen, s.now(), 1) }

// now is the factor that the window so far asks for.
func (s *surge) now() int { return min(s.turnedAway/max(s.letIn, 1), mostWiden) }

// turn begins a new window if the last is over.
func (s *surge) turn(tick, window uint32) {
	switch passed := tick - s.begun; {
	case passed > 2*window:
		*s = surge{begun: tick}
	case passed > window:
		*s = surge{begun: tick, widen: s.now()}
	}
}
