package comet

import (
	"net/netip"
	"testing"
	"time"
)

func (s *sources) known() (n int) {
	for i := range s.shards {
		n += len(s.shards[i].of)
	}
	return n
}

// An IPv6 subscriber has a /64, so all of it counts as one; IPv4 is the same
// whichever family the listener has.
func TestSourcesByPrefix(t *testing.T) {
	now := time.Unix(1000, 0)
	same := [][2]string{
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"},
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"fe80::1%eth0", "fe80::2%eth1"},
	}
	for _, pair := range same {
		s := newSources(1, 0)
		if !s.admit(netip.MustParseAddr(pair[0]), now) || s.admit(netip.MustParseAddr(pair[1]), now) {
			t.Errorf("%v do not count as one", pair)
		}
		s.leave(netip.MustParseAddr(pair[1]))
		if !s.admit(netip.MustParseAddr(pair[0]), now) {
			t.Errorf("%v: no place after one left", pair)
		}
	}
	s := newSources(1, 0)
	if !s.admit(netip.MustParseAddr("2001:db8:1:2::1"), now) || !s.admit(netip.MustParseAddr("2001:db8:1:3::1"), now) {
		t.Error("two subscribers count as one")
	}
}

// Connects a second are limited by a bucket that refills with time, and who has
// not been seen for a while costs nothing.
func TestSourcesRate(t *testing.T) {
	s, now, a := newSources(0, 5), time.Unix(1000, 0), netip.MustParseAddr("192.0.2.1")
	in := func(n int) (admitted int) {
		for range n {
			if s.admit(a, now) {
				admitted++
				s.leave(a)
			}
		}
		return admitted
	}
	if n := in(20); n != 5 {
		t.Errorf("%d at once, want 5", n)
	}
	now = now.Add(400 * time.Millisecond)
	if n := in(20); n != 2 {
		t.Errorf("%d after 400 ms, want 2", n)
	}
	now = now.Add(time.Hour)
	if n := in(20); n != 5 {
		t.Errorf("%d after an hour, want 5", n)
	}
	for i := range 10_000 {
		now = now.Add(5 * time.Millisecond)
		s.admit(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
		s.leave(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := s.known(); n > 5000 {
		t.Errorf("%d sources remembered", n)
	}
}
