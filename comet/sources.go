package comet

import (
	"net/netip"
	"sync"
	"time"
)

// sources counts links and connects by source address: an IPv4 address or an
// IPv6 /64, which is what one subscriber is given.
type sources struct {
	links int // limit; 0: off
	rate  int // limit, connects a second; 0: off

	mu    sync.Mutex
	of    map[netip.Addr]*source // guarded by mu
	swept time.Time              // guarded by mu
}

type source struct {
	links  int
	tokens float64
	at     time.Time
}

func (s *sources) on() bool { return s.links > 0 || s.rate > 0 }

func sourceKey(a netip.Addr) netip.Addr {
	if a.Is4() || a.Is4In6() {
		return a.Unmap()
	}
	p, _ := a.WithZone("").Prefix(64)
	return p.Addr()
}

// admit counts one link of a in, unless that is over a limit.
func (s *sources) admit(a netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked(now)
	k := sourceKey(a)
	one := s.of[k]
	if one == nil {
		one = &source{tokens: float64(s.rate), at: now}
		s.of[k] = one
	}
	if s.links > 0 && one.links >= s.links {
		return false
	}
	if s.rate > 0 {
		one.tokens = min(float64(s.rate), one.tokens+now.Sub(one.at).Seconds()*float64(s.rate))
		one.at = now
		if one.tokens < 1 {
			return false
		}
		one.tokens--
	}
	one.links++
	return true
}

// leave counts one link of a out.
func (s *sources) leave(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.of[sourceKey(a)]; one != nil && one.links > 0 {
		one.links--
	}
}

// sweepLocked forgets, every second, sources without links whose tokens are
// full again: the table is bounded by the links and one second of connects.
func (s *sources) sweepLocked(now time.Time) {
	if s.of == nil {
		s.of = map[netip.Addr]*source{}
	}
	if now.Sub(s.swept) < time.Second {
		return
	}
	s.swept = now
	for k, one := range s.of {
		if one.links == 0 && now.Sub(one.at) > time.Second {
			delete(s.of, k)
		}
	}
}
