package comet

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// seenAt is an engine that says it listens on another address.
type seenAt struct {
	poller.Engine
	ip string
}

func (e seenAt) Addrs() []net.Addr {
	return []net.Addr{&net.TCPAddr{IP: net.ParseIP(e.ip), Port: 3101}, &net.TCPAddr{IP: net.ParseIP("127.0.0.1"), Port: 3102}}
}

// While authentication is open, a comet that strangers can reach lets nobody
// in; one on loopback does.
func TestOpenAuthIsForLoopback(t *testing.T) {
	for ip, want := range map[string]error{
		"127.0.0.1": nil, "127.9.9.9": nil, "::1": nil,
		"192.0.2.1": ErrTrusting, "0.0.0.0": ErrTrusting, "::": ErrTrusting, "2001:db8::1": ErrTrusting,
	} {
		l := newTableLogic()
		l.trusting = true
		var real poller.Engine
		r := openWith(t, "", l, func(c *Config) {
			engine := c.Engine
			c.Engine = func(o poller.Options) (poller.Engine, error) {
				var err error
				real, err = engine(o)
				return seenAt{real, ip}, err
			}
			c.Times.Renew, c.Times.Sessions = 10*time.Millisecond, 100*time.Millisecond
		})
		until(t, ip, func() bool { return !errors.Is(r.Ready(t.Context()), ErrNoLease) })
		if err := r.Ready(t.Context()); !errors.Is(err, want) {
			t.Errorf("on %s: %v, want %v", ip, err, want)
		}
		p := r.dialAddr(real.Addrs()[0].String())
		if p.login(1, "k", ""); want == nil {
			p.want(8, 1, "")
		} else {
			p.wantEnd(ReasonUnavailable)
		}
	}
}
