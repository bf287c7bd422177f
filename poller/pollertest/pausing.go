package pollertest

import (
	"errors"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

var pausing = []test{
	{"pausing/a paused link gets nothing until Resume", pauseHolds},
	{"pausing/Resume delivers a rest that waits, later", pauseRest},
	{"pausing/a rest comes before bytes that came while paused", pauseOrder},
	{"pausing/both are idempotent", pauseTwice},
	{"pausing/Resume in the same callback delivers again", pauseInside},
	{"pausing/the peer's end is told after Resume, behind its bytes", pausePeerCloses},
	{"pausing/a rest that is due comes before the peer's end", pauseRestThenEnd},
	{"pausing/a peer's reset while paused does not spin", pauseReset},
}

// recorder is a script that uses all and passes on what came.
func recorder(got chan<- string) func(poller.Loop, *script) {
	return func(l poller.Loop, s *script) {
		s.data = func(_ poller.ID, in []byte) int {
			got <- string(in)
			return len(in)
		}
	}
}

// settle returns after the engine had every chance to deliver what has come:
// another link's bytes, sent later, are through.
func (r *rig) settle(echo <-chan string) {
	r.t.Helper()
	_, p := r.link()
	send(r.t, p, "witness")
	if s := wait(r.t, "the witness", echo); s != "witness" {
		r.t.Fatalf("got %q", s)
	}
	for range 20 {
		r.do(func(poller.Loop) {})
	}
}

func pauseHolds(t *testing.T, open Open) {
	got := make(chan string, 10)
	r := openRig(t, open, poller.Options{}, recorder(got))
	id, p := r.link()
	for range 5 {
		r.do(func(l poller.Loop) { l.Pause(id) })
		send(t, p, "abc")
		r.settle(got)
		if len(got) > 0 {
			t.Fatalf("a paused link got %q", <-got)
		}
		r.do(func(l poller.Loop) {
			l.Resume(id)
			if len(got) > 0 {
				t.Error("delivered within Resume")
			}
		})
		if s := wait(t, "OnData", got); s != "abc" {
			t.Fatalf("got %q", s)
		}
	}
}

func pauseRest(t *testing.T, open Open) {
	got := make(chan string, 10)
	use := 0
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int {
			got <- string(in)
			if use == 0 {
				l.Pause(id)
			}
			return use
		}
	})
	id, p := r.link()
	send(t, p, "abc")
	wait(t, "OnData", got)
	r.do(func(l poller.Loop) {
		use = 3
		l.Resume(id)
		if len(got) > 0 {
			t.Error("delivered within Resume")
		}
	})
	if s := wait(t, "the rest", got); s != "abc" {
		t.Fatalf("got %q", s)
	}
}

func pauseOrder(t *testing.T, open Open) {
	got := make(chan string, 100)
	all := ""
	first := true
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int {
			if string(in) == "witness" {
				got <- "witness"
				return len(in)
			}
			if first {
				first = false
				l.Pause(id)
				got <- "first"
				return 1
			}
			if all += string(in); len(all) == 5 {
				got <- all
			}
			return len(in)
		}
	})
	id, p := r.link()
	send(t, p, "abc")
	wait(t, "OnData", got)
	send(t, p, "def")
	r.settle(got)
	r.do(func(l poller.Loop) { l.Resume(id) })
	if s := wait(t, "what was held", got); s != "bcdef" {
		t.Fatalf("got %q", s)
	}
}

func pauseTwice(t *testing.T, open Open) {
	got := make(chan string, 10)
	r := openRig(t, open, poller.Options{}, recorder(got))
	id, p := r.link()
	r.do(func(l poller.Loop) { l.Pause(id); l.Pause(id); l.Resume(id); l.Resume(id) })
	send(t, p, "abc")
	if s := wait(t, "OnData", got); s != "abc" {
		t.Fatalf("got %q", s)
	}
}

func pauseInside(t *testing.T, open Open) {
	got := make(chan string, 10)
	n := 0
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int {
			got <- string(in)
			if n++; n == 4 {
				return len(in)
			}
			l.Pause(id)
			l.Resume(id)
			return 0
		}
	})
	_, p := r.link()
	send(t, p, "abc")
	for range 4 {
		if s := wait(t, "OnData", got); s != "abc" {
			t.Fatalf("got %q", s)
		}
	}
}

func pausePeerCloses(t *testing.T, open Open) {
	got := make(chan string, 10)
	reasons := make(chan error, 10)
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		recorder(got)(l, s)
		s.close = func(id poller.ID, reason error) {
			if id.Slot == 0 {
				reasons <- reason
			}
		}
	})
	id, p := r.link()
	r.do(func(l poller.Loop) { l.Pause(id) })
	send(t, p, "bye")
	p.Close()
	r.settle(got)
	if len(got) > 0 {
		t.Fatalf("a paused link got %q", <-got)
	}
	r.do(func(l poller.Loop) { l.Resume(id) })
	if s := wait(t, "OnData", got); s != "bye" {
		t.Fatalf("got %q", s)
	}
	if reason := wait(t, "OnClose", reasons); !errors.Is(reason, poller.ErrPeerClosed) {
		t.Errorf("closed with %v", reason)
	}
}

// pauseRestThenEnd has one link resumed by another's bytes in the turn in which
// its own end is seen.
func pauseRestThenEnd(t *testing.T, open Open) {
	events := make(chan string, 10)
	held, release := make(chan bool), make(chan bool)
	var lazy poller.ID
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int {
			switch string(in) {
			case "resume":
				l.Resume(lazy)
				return len(in)
			case "rest":
				if lazy == id {
					events <- string(in)
					return len(in)
				}
				lazy = id
				l.Pause(id)
				events <- "paused"
				return 0
			}
			t.Errorf("got %q", in)
			return len(in)
		}
		s.close = func(id poller.ID, _ error) {
			if id == lazy {
				events <- "close"
			}
		}
		s.task = func(poller.Task) { held <- true; <-release }
	})
	_, waker := r.link()
	for range 10 {
		r.do(func(poller.Loop) { lazy = poller.ID{} })
		_, p := r.link()
		send(t, p, "rest")
		if s := wait(t, "OnData", events); s != "paused" {
			t.Fatalf("first came %q", s)
		}
		post(t, r.engine.Loops()[0], poller.Task{})
		wait(t, "OnTask", held)
		send(t, waker, "resume")
		p.Close()
		release <- true
		for _, want := range []string{"rest", "close"} {
			if s := wait(t, want, events); s != want {
				t.Fatalf("%q came instead of %q", s, want)
			}
		}
	}
}

func pauseReset(t *testing.T, open Open) {
	got := make(chan string, 10)
	reasons := make(chan error, 10)
	turns := 0
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		recorder(got)(l, s)
		s.close = func(id poller.ID, reason error) { reasons <- reason }
		s.turn = func(time.Time) time.Duration { turns++; return -1 }
	})
	id, p := r.link()
	r.do(func(l poller.Loop) { l.Pause(id) })
	reset(p)
	r.settle(got)
	var before, after int
	r.do(func(poller.Loop) { before = turns })
	time.Sleep(50 * time.Millisecond) // the time in which it would spin
	r.do(func(poller.Loop) { after = turns })
	if after-before > 20 {
		t.Errorf("%d turns in 50 ms with nothing to do", after-before)
	}
	r.do(func(l poller.Loop) { l.Resume(id) })
	if reason := wait(t, "OnClose", reasons); reason == nil {
		t.Error("no reason")
	}
}
