package push

import (
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/target"
	"github.com/oortim/oort/client"
)

func TestStamp(t *testing.T) {
	s := stamp{run: 0x3f2a9c01, room: 7, index: 42, sent: time.Second}
	b := s.body(64)
	if want := "3f2a9c01 00000007 0000002a 000000003b9aca00 " + strings.Repeat("x", 64-stampLen); string(b) != want {
		t.Errorf("body %q, want %q", b, want)
	}
	if got, ok := parseStamp(b); !ok || got != s {
		t.Errorf("got %+v, %v", got, ok)
	}
	if got, ok := parseStamp(s.body(0)); !ok || got != s {
		t.Errorf("shortest: %+v, %v", got, ok)
	}
	for _, bad := range []string{"", "hello", string(b[:stampLen-1]), strings.Repeat("g", 64)} {
		if _, ok := parseStamp([]byte(bad)); ok {
			t.Errorf("took %q", bad)
		}
	}
	if n := testing.AllocsPerRun(100, func() { parseStamp(b) }); n > 0 {
		t.Errorf("parseStamp allocates %v times", n)
	}
}

// The audience must notice what it is there for.
func TestReceive(t *testing.T) {
	a := newAudience(1, 1)
	a.run = 9
	m := a.members[0]
	m.latency = a.tcp
	deliver := func(run, room, index uint32) {
		m.receive(client.Message{Op: 1000, Body: stamp{run, room, index, 0}.body(64)})
	}
	steps := []struct {
		run, room, index uint32
		delivered, wrong int64
	}{
		{9, 0, 0, 1, 0}, // first
		{9, 0, 2, 2, 0}, // one lost: seen by the count
		{9, 0, 2, 2, 1}, // twice
		{9, 0, 1, 2, 2}, // late
		{8, 0, 3, 2, 2}, // another run
		{9, 1, 3, 2, 3}, // another room
		{9, 0, 3, 3, 3},
	}
	for i, s := range steps {
		deliver(s.run, s.room, s.index)
		if d, w := a.delivered.Load(), a.wrong.Load(); d != s.delivered || w != s.wrong {
			t.Errorf("step %d: %d delivered, %d wrong; want %d, %d", i, d, w, s.delivered, s.wrong)
		}
	}
}

func TestValidate(t *testing.T) {
	good := func() Command {
		return Command{
			Scenario: Scenario{Links: []int{1}, Rooms: 1, Body: []int{64}, Messages: 1, Pushers: 1, Batch: 1},
			Suite:    suite.Flags{Repeat: 1},
		}
	}
	c := good()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Command){
		"links":      func(c *Command) { c.Links = []int{10, 0} },
		"rooms":      func(c *Command) { c.Links, c.Rooms = []int{10, 2}, 3 },
		"body":       func(c *Command) { c.Body = []int{stampLen - 1} },
		"rate":       func(c *Command) { c.Rate = []float64{1, 0} },
		"goim batch": func(c *Command) { c.Goim, c.Batch = true, 2 },
		"half":       func(c *Command) { c.Server.API = "http://x" },
		"repeat":     func(c *Command) { c.Suite.Repeat = 0 },
		"engine":     func(c *Command) { c.Suite.Engines = []string{"no-such-engine"} },
		"flags": func(c *Command) {
			c.Server = target.Flags{API: "http://x", Addr: []string{"tcp://x"}, Serve: []string{"-x"}}
		},
		"engines of a running server": func(c *Command) {
			c.Server = target.Flags{API: "http://x", Addr: []string{"tcp://x"}}
			c.Suite.Engines = []string{"std"}
		},
	} {
		c := good()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPoints(t *testing.T) {
	s := Scenario{Links: []int{1, 2}, Rooms: 1, Body: []int{64, 128}, Pushers: 4, Batch: 1, server: &target.Flags{Transport: "ws"}}
	if n := len(s.Points()); n != 4 || s.Name() != "push alone" {
		t.Errorf("%d points of %q", n, s.Name())
	}
	s.Rate = []float64{10, 20, 40}
	points := s.Points()
	if len(points) != 12 || s.Name() != "push at a rate" {
		t.Errorf("%d points of %q", len(points), s.Name())
	}
	var words []string
	for _, setting := range points[11].Settings() {
		words = append(words, setting.String())
	}
	if got, want := strings.Join(words, ", "), "links 2, rooms 1, body 128, rate 40, pushers 1, batch 1, API /v1/push, transport ws"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.server = &target.Flags{API: "http://x", Addr: []string{"tcp://a", "ws://b/sub"}}
	if got := s.Points()[0].(point).transport(); got != "tcp+ws" {
		t.Errorf("transport %q", got)
	}
}
