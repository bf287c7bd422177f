package comet

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// sources counts links and connects by source address: an IPv4 address or an
// IPv6 /64, which is what one subscriber is given. It is cut in shards so that
// sweeping a table of a million addresses stops nobody for long.
type sources struct {
	links int // limit; 0: off
	rate  int // limit, connects a second; 0: off

	seed   maphash.Seed
	shards [dirShards]sourceShard
}

type sourceShard struct {
	mu    sync.Mutex
	of    map[netip.Addr]*source // guarded by mu
	swept time.Time              // guarded by mu
}

type source struct {
	links  int
	tokens float64
	at     time.Time
}

func newSources(links, rate int) *sources {
	s := &sources{links: links, rate: rate, seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].of = map[netip.Addr]*source{}
	}
	return s
}

func (s *sources) on() bool { return s.links > 0 || s.rate > 0 }

func (s *sources) at(k netip.Addr) *sourceShard {
	return &s.shards[maphash.Comparable(s.seed, k)%dirShards]
}

func sourceKey(a netip.Addr) netip.Addr {
	if a.Is4() || a.Is4In6() {
		return a.Unmap()
	}
	p, _ := a.WithZone("").Prefix(64)
	return p.Addr()
}

// admit counts one link of a in, unless that is over a limit.
func (s *sources) admit(a netip.Addr, now time.Time) bool {
	k := sourceKey(a)
	shard := s.at(k)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.sweepLocked(now)
	one := shard.of[k]
	if one == nil {
		one = &source{tokens: float64(s.rate), at: now}
		shard.of[k] = one
	}
	if s.links > 0 && one.links >= s.links {
		return false
	}
	if s.rate > 0 {
		one.tokens = min(float64(s.rate), one.tokens+max(0, now.Sub(one.at).Seconds())*float64(s.rate))
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
	k := sourceKey(a)
	shard := s.at(k)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if one := shard.of[k]; one != nil && one.links > 0 {
		one.links--
	}
}

// sweepLocked forgets, at most once a second, sources without links whose
// tokens are full again: the table is bounded by the links and a second or two
// of connects.
func (s *sourceShard) sweepLocked(now time.Time) {
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
