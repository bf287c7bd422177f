package auth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
)

// picky lets "right" in, claims a mid for anything else, and counts.
type picky struct{ asked int }

func (p *picky) Authenticate(_ context.Context, links []logic.Credentials) []logic.Verdict {
	verdicts := make([]logic.Verdict, len(links))
	for i, l := range links {
		p.asked++
		switch string(l.Body) {
		case "right":
			verdicts[i].Identity = logic.Identity{Mid: 7}
		case "down":
			verdicts[i].Err = logic.ErrUnavailable
		case "malformed":
			verdicts[i].Err = logic.ErrMalformed
		case "room":
			verdicts[i] = logic.Verdict{Identity: logic.Identity{Mid: 7}, Err: auth.ErrRoom}
		default:
			verdicts[i] = logic.Verdict{Identity: logic.Identity{Mid: 7}, Err: logic.ErrDenied}
		}
	}
	return verdicts
}

// guarded is a Guard with a clock of the test's own.
type guarded struct {
	*auth.Guard
	picky
	now time.Time
}

func newGuarded(t *testing.T, cfg auth.GuardConfig) *guarded {
	t.Helper()
	g := &guarded{now: noon}
	cfg.Clock = func() time.Time { return g.now }
	var err error
	if g.Guard, err = auth.NewGuard(&g.picky, cfg); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guarded) Authenticate(ctx context.Context, links []logic.Credentials) []logic.Verdict {
	return g.Guard.Authenticate(ctx, links)
}

// try asks once and reports whether the credentials were looked at.
func (g *guarded) try(ip, body string) (v logic.Verdict, looked bool) {
	before := g.asked
	v = g.Authenticate(context.Background(), []logic.Credentials{{Body: []byte(body), RemoteIP: ip}})[0]
	return v, g.asked > before
}

func TestGuard(t *testing.T) {
	g := newGuarded(t, auth.GuardConfig{Failures: 3, MidFailures: -1, Window: time.Hour})
	const ip, other = "192.0.2.1", "192.0.2.2"
	for range 50 {
		g.try(ip, "right")
		g.try(ip, "down")
		g.try(ip, "malformed")
	}
	for i := range 3 {
		if _, looked := g.try(ip, "wrong"); !looked {
			t.Fatalf("attempt %d was not looked at", i+1)
		}
	}
	// Delayed: 1 s after the third failure, doubled with each more.
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		v, looked := g.try(ip, "right")
		if looked || !errors.Is(v.Err, logic.ErrDenied) || v.RetryMS != uint32(pause.Milliseconds()) {
			t.Errorf("too early: %+v, looked at: %v, want retry after %v", v, looked, pause)
		}
		g.now = g.now.Add(pause)
		if _, looked := g.try(ip, "wrong"); !looked {
			t.Errorf("after %v the attempt was not looked at", pause)
		}
	}
	// Six failures: refused until the window ends.
	g.now = g.now.Add(30 * time.Minute)
	if v, looked := g.try(ip, "right"); looked || v.RetryMS == 0 {
		t.Errorf("after twice as many failures: %+v, looked at: %v", v, looked)
	}
	if v, looked := g.try(other, "right"); !looked || v.Err != nil {
		t.Errorf("another address: %+v", v)
	}
	g.now = noon.Add(time.Hour)
	if v, _ := g.try(ip, "right"); v.Err != nil {
		t.Errorf("after the window: %v", v.Err)
	}
}

// TestGuardMid: many addresses that guess for one user are stopped too, even
// when one guesses right.
func TestGuardMid(t *testing.T) {
	g := newGuarded(t, auth.GuardConfig{Failures: 100, MidFailures: 5})
	for i := range 10 {
		g.try(fmt.Sprintf("192.0.2.%d", i), "wrong")
	}
	if v, _ := g.try("198.51.100.1", "right"); !errors.Is(v.Err, logic.ErrDenied) || v.RetryMS == 0 || v.Identity.Mid != 0 {
		t.Errorf("a right guess: %+v", v)
	}
	for range 300 { // that others fail in a user's name is not the user's address's fault
		g.try("198.51.100.1", "right")
	}
	if _, looked := g.try("198.51.100.1", "right"); !looked {
		t.Error("right credentials were counted against their address")
	}
	g.now = g.now.Add(10 * time.Minute)
	if v, _ := g.try("198.51.100.1", "right"); v.Err != nil {
		t.Errorf("after the window: %v", v.Err)
	}
}

// TestGuardSources: an IPv6 client is its /64, a mapped IPv4 one its IPv4; no
// address and a switched-off limit count nothing.
func TestGuardSources(t *testing.T) {
	for _, c := range []struct {
		fails, asks string
		limit       int
		looked      bool
	}{
		{"2001:db8::1", "2001:db8::ffff:2", 1, false},
		{"2001:db8::1", "2001:db8:0:1::1", 1, true},
		{"::ffff:192.0.2.1", "192.0.2.1", 1, false},
		{"fe80::1%eth0", "fe80::2", 1, false},
		{"", "", 1, true},
		{"192.0.2.1", "192.0.2.1", -1, true},
	} {
		g := newGuarded(t, auth.GuardConfig{Failures: c.limit, MidFailures: -1})
		g.try(c.fails, "wrong")
		if _, looked := g.try(c.asks, "right"); looked != c.looked {
			t.Errorf("%q failed, %q was looked at: %v, want %v", c.fails, c.asks, looked, c.looked)
		}
	}
}

// TestGuardTable: the table is bounded, and forgets who failed longest ago.
func TestGuardTable(t *testing.T) {
	g := newGuarded(t, auth.GuardConfig{Failures: 1, MidFailures: -1, Entries: 10})
	for i := range 11 {
		g.try(fmt.Sprintf("192.0.2.%d", i), "wrong")
	}
	if _, looked := g.try("192.0.2.0", "right"); !looked {
		t.Error("the oldest entry is still there")
	}
	if _, looked := g.try("192.0.2.1", "right"); looked {
		t.Error("an entry that fits is gone")
	}
}

// TestGuardBatch: a refused link costs the others of its batch nothing.
func TestGuardBatch(t *testing.T) {
	g := newGuarded(t, auth.GuardConfig{Failures: 1, MidFailures: -1})
	g.try("192.0.2.1", "wrong")
	verdicts := g.Authenticate(context.Background(), []logic.Credentials{
		{Body: []byte("right"), RemoteIP: "192.0.2.1"}, {Body: []byte("right"), RemoteIP: "192.0.2.2"},
		{Body: []byte("right"), RemoteIP: "192.0.2.1"}, {Body: []byte("wrong"), RemoteIP: "192.0.2.3"},
	})
	for i, want := range []bool{false, true, false, false} {
		if (verdicts[i].Err == nil) != want {
			t.Errorf("link %d: %v, let in: want %v", i, verdicts[i].Err, want)
		}
	}
}

// TestRoomIsNoGuess: who is known and asks for a room that is not theirs does
// not lock out the others of the address.
func TestRoomIsNoGuess(t *testing.T) {
	g := newGuarded(t, auth.GuardConfig{Failures: 2, MidFailures: 2})
	link := func(body string) logic.Verdict {
		return g.Authenticate(context.Background(), []logic.Credentials{{Body: []byte(body), RemoteIP: "192.0.2.1"}})[0]
	}
	for range 50 {
		if v := link("room"); !errors.Is(v.Err, auth.ErrRoom) {
			t.Fatalf("%+v", v)
		}
	}
	if v := link("right"); v.Err != nil {
		t.Errorf("the next one of the address: %v", v.Err)
	}
}
