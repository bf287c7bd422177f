package push

import (
	"strings"
	"testing"
	"time"

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
	good := Command{Links: 1, Rooms: 1, Body: 64, Messages: 1, Pushers: 1, Batch: 1}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Command){
		"links":      func(c *Command) { c.Links = 0 },
		"rooms":      func(c *Command) { c.Rooms = 2 },
		"body":       func(c *Command) { c.Body = stampLen - 1 },
		"rate":       func(c *Command) { c.Rate = -1 },
		"goim batch": func(c *Command) { c.Goim, c.Batch = true, 2 },
		"half":       func(c *Command) { c.API = "http://x" },
		"flags": func(c *Command) {
			c.Flags = target.Flags{API: "http://x", Addr: []string{"tcp://x"}, Serve: []string{"-x"}}
		},
	} {
		c := good
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
