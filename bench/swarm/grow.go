package swarm

import (
	"errors"
	"fmt"
	"slices"
)

// maxDials is how many a link's field can tell apart.
const maxDials = 256

// start hands a party to the loops.
func (s *Swarm) start(a DialArgs) (*party, uint8, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, 0, errors.New("swarm: has ended")
	}
	p, err := newParty(a, uint32(s.asked))
	if err != nil {
		return nil, 0, err
	}
	if s.dials == maxDials {
		return nil, 0, fmt.Errorf("swarm: more than %d dials", maxDials)
	}
	if err := s.growLocked(s.asked + a.Links); err != nil {
		return nil, 0, err
	}
	index := uint8(s.dials)
	s.dials++
	shares := s.sharesLocked(a.Links)
	p.relay = newRelay(p, s.loops, shares)
	for i, share := range shares {
		d := &dialling{
			party: p, index: index, next: uint32(s.asked), end: uint32(s.asked + share),
			underWay: p.relay.first(i),
		}
		s.asked += share
		s.dealt[i] += share
		rate := p.Rate * float64(share) / float64(p.Links)
		l := s.loops[i]
		l.post(func() {
			d.pace = newPace(rate, l.clock.Now())
			l.dials = append(l.dials, d)
		})
	}
	return p, index, nil
}

// growLocked starts as many loops as links need.
func (s *Swarm) growLocked(links int) error {
	want := max(s.least, (links+s.room-1)/s.room)
	makeRoomToRun(want)
	for len(s.loops) < want {
		l, err := newLoop(s.clock, s.room, s.dials)
		if err != nil {
			return fmt.Errorf("swarm: loop %d: %w", len(s.loops), err)
		}
		s.loops, s.dealt = append(s.loops, l), append(s.dealt, 0)
	}
	return nil
}

// sharesLocked deals n links out such that loops have equally many.
func (s *Swarm) sharesLocked(n int) []int {
	order := make([]int, len(s.loops))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return s.dealt[b] - s.dealt[a] }) // fullest first
	shares := make([]int, len(s.loops))
	total := s.asked + n
	for i, loop := range order {
		level := total / (len(order) - i) // of the loops not passed yet
		shares[loop] = min(n, max(0, level-s.dealt[loop]))
		n -= shares[loop]
		total -= s.dealt[loop] + shares[loop]
	}
	return shares
}
