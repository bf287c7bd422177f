package pollertest

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

var panics = []test{
	{"panics/in a link's callback close that link only", panicOfLink},
	{"panics/in other callbacks are survived", panicOfLoop},
	{"panics/bytes used out of range", panicOfCount},
}

// panicRig opens an engine whose links echo, except that say(where) may panic.
func panicRig(t *testing.T, open Open, where string, reasons chan<- error, told chan<- string) *rig {
	armed := true
	say := func(at string) {
		if at == where && armed {
			armed = false
			panic("boom in " + at)
		}
	}
	o := poller.Options{OnPanic: func(loop int, value any, stack []byte) {
		if loop != 0 || !strings.Contains(string(stack), "panics.go") {
			t.Errorf("loop %d, stack %s", loop, stack)
		}
		told <- value.(string)
		panic("the teller panics too")
	}}
	return openRig(t, open, o, func(l poller.Loop, s *script) {
		s.open = func(poller.ID, poller.Conn) { say("OnOpen") }
		s.data = func(id poller.ID, in []byte) int {
			say("OnData")
			l.Write(id, in)
			return len(in)
		}
		s.writable = func(poller.ID) { say("OnWritable") }
		s.close = func(_ poller.ID, reason error) {
			reasons <- reason
			say("OnClose")
		}
		s.task = func(task poller.Task) {
			if task.Kind == numbered {
				say("OnTask")
			}
		}
		s.turn = func(time.Time) time.Duration { say("OnTurn"); return -1 }
		s.stop = func() { say("OnStop") }
	})
}

func panicOfLink(t *testing.T, open Open) {
	for _, where := range []string{"OnOpen", "OnData", "OnWritable"} {
		t.Run(where, func(t *testing.T) {
			reasons, told := make(chan error, 10), make(chan string, 10)
			r := panicRig(t, open, where, reasons, told)
			id, p := r.link()
			switch where {
			case "OnData":
				send(t, p, "x")
			case "OnWritable":
				fillIt(r, id, p)
				go io.Copy(io.Discard, p)
			}
			var reason *poller.PanicError
			if err := wait(t, "OnClose", reasons); !errors.As(err, &reason) || reason.Value != "boom in "+where {
				t.Errorf("closed with %v", err)
			}
			echoes(t, r, told, where)
		})
	}
}

func panicOfLoop(t *testing.T, open Open) {
	for _, where := range []string{"OnClose", "OnTask", "OnTurn"} {
		t.Run(where, func(t *testing.T) {
			reasons, told := make(chan error, 10), make(chan string, 10)
			r := panicRig(t, open, where, reasons, told)
			_, p := r.link()
			switch where {
			case "OnClose":
				p.Close()
				wait(t, "OnClose", reasons)
			case "OnTask":
				post(t, r.engine.Loops()[0], poller.Task{Kind: numbered})
			}
			echoes(t, r, told, where)
		})
	}
	t.Run("OnStop", func(t *testing.T) {
		told := make(chan string, 10)
		r := panicRig(t, open, "OnStop", make(chan error, 10), told)
		r.stop()
		if s := wait(t, "OnPanic", told); s != "boom in OnStop" {
			t.Errorf("OnPanic was told %q", s)
		}
	})
}

// echoes checks that the panic was told and counted, and that a link lives.
func echoes(t *testing.T, r *rig, told <-chan string, where string) {
	t.Helper()
	if s := wait(t, "OnPanic", told); s != "boom in "+where {
		t.Errorf("OnPanic was told %q", s)
	}
	if n := r.engine.Stats().Panics; n != 1 {
		t.Errorf("Stats.Panics is %d", n)
	}
	_, p := r.link()
	send(t, p, "hello")
	expect(t, p, []byte("hello"))
}

func panicOfCount(t *testing.T, open Open) {
	for _, wrong := range []int{-1, +1} {
		reasons := make(chan error, 10)
		r := openRig(t, open, poller.Options{}, func(_ poller.Loop, s *script) {
			s.data = func(_ poller.ID, in []byte) int { return (len(in) + 1) * wrong }
			s.close = func(_ poller.ID, reason error) { reasons <- reason }
		})
		_, p := r.link()
		send(t, p, "x")
		var reason *poller.PanicError
		if err := wait(t, "OnClose", reasons); !errors.As(err, &reason) {
			t.Errorf("closed with %v", err)
		}
		if n := r.engine.Stats().Panics; n != 1 {
			t.Errorf("Stats.Panics is %d", n)
		}
	}
}
