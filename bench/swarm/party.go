package swarm

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// party is the links of one dial, as all loops see it.
type party struct {
	// immutable
	DialArgs
	first   uint32 // number of its first link
	targets []target
	sources []netip.Addr
	name    []byte // its rooms' names but for the index
	relay   *relay // set before the loops have it

	waiting atomic.Int64  // links that neither live nor have failed
	done    chan struct{} // closed when there are none
}

// target is an address to dial.
type target struct {
	addr    netip.AddrPort
	upgrade []byte // the request, nil on TCP
}

const (
	defaultUnderWay = 512
	defaultTimeout  = 30 * time.Second
	defaultRetries  = 3
	defaultRoom     = "bench://"
	// perPair is how many links two addresses get. Linux has 28,000 ports for
	// them by default, but first takes every other one: once these 14,000 are
	// in use, each connect looks at them all, and only 600 a second are made
	// where it had been 25,000.
	perPair = 10_000
)

// newParty validates a; first is the number of its first link.
func newParty(a DialArgs, first uint32) (*party, error) {
	switch {
	case len(a.Addrs) == 0:
		return nil, errors.New("swarm: no address to dial")
	case a.Links < 1:
		return nil, fmt.Errorf("swarm: links must be at least 1, but is %d", a.Links)
	case a.Rooms < 0:
		return nil, fmt.Errorf("swarm: rooms must not be negative, but is %d", a.Rooms)
	case a.Rate < 0:
		return nil, fmt.Errorf("swarm: rate must not be negative, but is %v", a.Rate)
	}
	a.UnderWay = cmp.Or(a.UnderWay, defaultUnderWay)
	a.Timeout = cmp.Or(a.Timeout, defaultTimeout)
	a.Retries = max(0, cmp.Or(a.Retries, defaultRetries))
	p := &party{DialArgs: a, first: first, name: []byte(cmp.Or(a.Room, defaultRoom)), done: make(chan struct{})}
	p.waiting.Store(int64(a.Links))
	for _, addr := range a.Addrs {
		t, err := parseTarget(addr)
		if err != nil {
			return nil, err
		}
		p.targets = append(p.targets, t)
	}
	for _, s := range a.Sources {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("swarm: source %q: %w", s, err)
		}
		p.sources = append(p.sources, addr)
	}
	if len(p.sources) == 0 {
		p.sources = p.loopbacks()
	}
	return p, nil
}

// loopbacks are as many addresses of 127.1.0.0/16 as the links up to this
// party's need; none if they need no more than one, or dial elsewhere.
func (p *party) loopbacks() (from []netip.Addr) {
	for _, t := range p.targets {
		if !t.addr.Addr().Is4() || !t.addr.Addr().IsLoopback() {
			return nil
		}
	}
	need := (int(p.first) + p.Links) / (perPair * len(p.targets))
	if need == 0 {
		return nil
	}
	for i := range need + 1 {
		from = append(from, netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}))
	}
	return from
}

// parseTarget reads tcp://host:port or ws://host:port/path.
func parseTarget(addr string) (target, error) {
	u, err := url.Parse(addr)
	if err != nil {
		return target{}, fmt.Errorf("swarm: address %q: %w", addr, err)
	}
	if u.Scheme != "tcp" && u.Scheme != "ws" {
		return target{}, fmt.Errorf("swarm: address %q: want tcp://host:port or ws://host:port/path", addr)
	}
	resolved, err := net.ResolveTCPAddr("tcp", u.Host)
	if err != nil {
		return target{}, fmt.Errorf("swarm: address %q: %w", addr, err)
	}
	ap := resolved.AddrPort()
	t := target{addr: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}
	if u.Scheme == "ws" {
		t.upgrade = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", u.RequestURI(), u.Host, challenge)
	}
	return t, nil
}

// target of the link with that number. Links of a room take turns over the
// addresses, and rooms of one link do among themselves.
func (p *party) target(number uint32) *target {
	n := int(number - p.first)
	if p.Rooms > 0 {
		n = n%p.Rooms + n/p.Rooms
	}
	return &p.targets[n%len(p.targets)]
}

// source of the link with that number; no address is the kernel's choice.
func (p *party) source(number uint32) netip.Addr {
	if len(p.sources) == 0 {
		return netip.Addr{}
	}
	return p.sources[int(number)/len(p.targets)%len(p.sources)]
}

// room is the index of the room of the link with that number.
func (p *party) room(number uint32) uint32 {
	if p.Rooms == 0 {
		return noRoom
	}
	return (number - p.first) % uint32(p.Rooms)
}

// noRoom is no index of a room.
const noRoom = ^uint32(0) - 1

// authSeq is the seq of auth frames.
const authSeq = 1

// appendAuth appends the auth frame of the link with that number; see
// docs/protocol.md. Nothing in it needs quoting but what the caller chose.
func (p *party) appendAuth(dst []byte, number uint32) []byte {
	b := append(make([]byte, 0, 256), `{"mid":`...)
	b = strconv.AppendUint(b, uint64(number)+1, 10)
	b = append(b, `,"key":"`...)
	if p.Key != "" {
		b = strconv.AppendUint(append(b, p.Key...), uint64(number), 10)
	}
	b = append(b, `","room_id":"`...)
	if p.Rooms > 0 {
		b = strconv.AppendUint(append(b, p.name...), uint64(p.room(number)), 10)
	}
	b = append(b, `","platform":"bench","accepts":[`...)
	for i, op := range p.Accepts {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(op), 10)
	}
	b = append(b, "]}"...)
	return frame.Append(dst, frame.OpAuth, authSeq, b)
}

// settle counts links that live or have failed.
func (p *party) settle(n int) {
	if p.waiting.Add(-int64(n)) == 0 {
		close(p.done)
	}
}

// The challenge of a WebSocket upgrade, the one of RFC 6455 1.3: servers must
// not care, and one for all links needs no memory.
const challenge = "dGhlIHNhbXBsZSBub25jZQ=="

// maskKey is that of all frames sent. A load needs no secrecy, and with a key
// that is not zero a server must do its work.
var maskKey = [4]byte{0x5a, 0xc3, 0x17, 0x8e}

// appendMessage appends b, whole frames, for a TCP link as it is and for a
// WebSocket one as a message.
func appendMessage(dst []byte, ws_ bool, b []byte) []byte {
	if !ws_ {
		return append(dst, b...)
	}
	return ws.AppendMasked(dst, ws.OpBinary, true, maskKey, b)
}
