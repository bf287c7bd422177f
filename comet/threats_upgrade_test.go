package comet

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

const upgradeHead = "GET /sub HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// refused sends a head and wants an HTTP answer of that status, and nothing
// behind it.
func (r *rig) refused(head string, status int) {
	r.t.Helper()
	p := r.bare(r.WSAddr())
	p.raw(head)
	if got := p.status(); got != status {
		r.t.Errorf("status %d, want %d, for %.120q", got, status, head)
	}
	p.Close()
}

// What two readers could understand differently, is too large, or is no
// upgrade, is refused over the real port, in pieces as well.
// Defence: ws.ParseRequest, called before any 101; reject closes.
func TestThreatUpgradeSmuggling(t *testing.T) {
	with := func(field string) string { return upgradeHead + field + "\r\n\r\n" }
	rows := []struct {
		name, head string
		status     int
	}{
		{"transfer encoding", with("Transfer-Encoding: chunked"), 400},
		{"content length", with("Content-Length: 5"), 400},
		{"folded", with("X: a\r\n b"), 400},
		{"duplicate host", with("Host: y"), 400},
		{"duplicate key", with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400},
		{"space before colon", with("X : a"), 400},
		{"NUL", with("X: a\x00b"), 400},
		{"bare LF", strings.ReplaceAll(with("X: a"), "\r\n", "\n"), 400},
		{"HTTP/1.0", strings.Replace(with("X: a"), "HTTP/1.1", "HTTP/1.0", 1), 400},
		{"no host", strings.Replace(with("X: a"), "Host: x\r\n", "", 1), 400},
		{"upgrade only within a token", strings.Replace(with("X: a"), "Connection: Upgrade", "Connection: not-upgrade", 1), 400},
		{"post", strings.Replace(with("X: a"), "GET", "POST", 1), 405},
		{"other path", strings.Replace(with("X: a"), "/sub", "/sub/..", 1), 404},
		{"huge head", with("X: " + strings.Repeat("x", 9000)), 431},
		{"endless head", upgradeHead + "X: " + strings.Repeat("x", 9000), 431},
		{"many fields", with(strings.Repeat("X: a\r\n", 70) + "Y: b"), 431},
		{"long target", "GET /" + strings.Repeat("x", 2100) + " HTTP/1.1\r\n", 414},
	}
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, nil)
		for i, row := range rows {
			s.refused(row.head, row.status)
			s.endedFor(ReasonBadUpgrade, uint64(i+1))
		}
		p := s.bare(s.WSAddr())
		p.raw(upgradeHead[:40])
		p.raw(upgradeHead[40:] + "Content-Length: 5\r\n\r\n" + masked(2, true, []byte("frame behind the head")))
		if got := p.status(); got != 400 {
			t.Errorf("status %d for a head in pieces, want 400", got)
		}
		p.Close()
		s.endedFor(ReasonBadUpgrade, uint64(len(rows)+1))
	})
}

// Origins are compared exactly. Defence: Server.originAllowed.
func TestThreatOrigins(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, func(c *Config) {
			c.Origins, c.RequireOrigin = []string{"https://good.example"}, true
		})
		with := func(origin string) string { return upgradeHead + "Origin: " + origin + "\r\n\r\n" }
		rows := []string{
			upgradeHead + "\r\n", with("null"), with("https://good.example.evil.example"), with("https://evil.example/https://good.example"),
			with("https://GOOD.example"), with("http://good.example"), with("https://good.example:443"), with("https://good.example/"),
			with("https://good.exampl"), with(""), with("https://evil.example"), with("https://good.example, https://evil.example"),
		}
		for i, row := range rows {
			s.refused(row, 403)
			s.endedFor(ReasonBadUpgrade, uint64(i+1))
		}
		p := s.bare(s.WSAddr())
		p.raw(with("https://good.example"))
		if got := p.status(); got != 101 {
			t.Errorf("the listed origin is answered %d", got)
		}
		p.ws = true
		p.auth("page", "live://1")
		if got := s.logic.origin("page"); got != "https://good.example" {
			t.Errorf("logic was told origin %q", got)
		}
	})
}

// Without a list any origin may connect, but not one that is no origin.
// Defence: maxOrigin.
func TestThreatEndlessOrigin(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, nil)
		s.refused(upgradeHead+"Origin: https://"+strings.Repeat("x", 4000)+"\r\n\r\n", 403)
		s.endedFor(ReasonBadUpgrade, 1)
	})
}

// Behind a proxy, a link is what its header says; without a header, or with one
// from elsewhere, it is nothing.
// Defence: listed() in OnOpen; StageProxy of the decoder.
func TestThreatProxyHeader(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, func(c *Config) { c.Loops, c.Proxy, c.Limits.SourceLinks = 1, loopback, 1 })
		good := r.bare(r.TCPAddr())
		good.raw("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n")
		good.auth("a", "live://1")
		if got := r.logic.remote("a"); got != "192.0.2.7" {
			t.Errorf("logic was told address %q", got)
		}
		rows := []string{
			"PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n",
			"PROXY " + strings.Repeat("x", 200),
			"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\nX",
			"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c",
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x01x",
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff",
			"\x00\x00\x00\x10\x00\x10", // a frame where a header must be
			"GET /sub HTTP/1.1\r\n",
		}
		for i, row := range rows {
			p := r.bare(r.TCPAddr())
			p.raw(row)
			p.wantSilence()
			until(t, "counted", func() bool { return r.closedFor(ReasonBadProxy) == uint64(i+1) })
		}
		p := r.bare(r.TCPAddr()) // the source's limit is that of the client, not of the proxy
		p.raw("PROXY TCP4 192.0.2.7 127.0.0.1 9 2\r\n")
		p.wantSilence()
		until(t, "counted", func() bool { return r.closedFor(ReasonSourceLimit) == 1 })
		r.pushRoom("live://1", 1000, "still here")
		good.want(1000, 0, "still here")
	})
}

func TestThreatProxyFromElsewhere(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, func(c *Config) { c.Proxy = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
		p := r.bare(r.TCPAddr())
		p.raw("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n")
		p.wantSilence()
		until(t, "counted", func() bool { return r.closedFor(ReasonBadProxy) == 1 })
	})
}

// Links and connects of one address are limited where that is switched on; a
// neighbour's address is not concerned.
// Defence: admit in OnOpen, leave in withdraw.
func TestThreatConnectFlood(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, func(c *Config) { c.Limits.SourceLinks = 3 })
		from := func() *peer {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			c, err := d.Dial("tcp", s.TCPAddr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return &peer{Conn: c, t: t, r: bufio.NewReader(c)}
		}
		var in []*peer
		for i := range 3 {
			p := from()
			p.auth(fmt.Sprint("k", i), "live://1")
			in = append(in, p)
		}
		for i := range 20 {
			from().wantSilence()
			s.endedFor(ReasonSourceLimit, uint64(i+1))
		}
		in[0].Close()
		until(t, "a place is free", func() bool { return s.live() == 3 })
		from().auth("again", "live://1")
		s.undisturbed()
	})
}

// At the limit of links the oldest that has not authenticated goes.
// Defence: shed in OnOpen.
func TestThreatTooManyLinks(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, func(c *Config) { c.Limits.Links = 4 })
		var idle []*peer
		for range 3 {
			idle = append(idle, s.bare(s.TCPAddr()))
			until(t, "open", func() bool { return int(s.links.Load()) == 1+len(idle) })
		}
		p := s.dial(false)
		p.auth("new", "live://1")
		idle[0].wantEnd(ReasonOverloaded)
		s.endedFor(ReasonOverloaded, 1)
		idle[1].auth("second", "live://1")
		idle[2].auth("third", "live://1")
		over := s.dial(false) // all are authenticated: now the newcomer goes
		over.wantEnd(ReasonOverloaded)
		s.endedFor(ReasonOverloaded, 2)
	})
}
