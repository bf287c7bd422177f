package pollertest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/oortim/oort/poller"
)

var reading = []test{
	{"reading/what comes is delivered", readDelivers},
	{"reading/a rest comes again in front of newer bytes", readRest},
	{"reading/a rest comes only with newer bytes", readRestWaits},
	{"reading/a full rest is allowed and one byte more closes", readRestLimit},
	{"reading/a handler that pauses is never over the limit", readPauseLimit},
	{"reading/large streams arrive whole", readLarge},
	{"reading/bytes before the end come before OnClose", readBeforeEnd},
}

func readDelivers(t *testing.T, open Open) {
	conns := make(chan poller.Conn, 1)
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.open = func(_ poller.ID, c poller.Conn) { conns <- c }
		s.data = func(id poller.ID, in []byte) int {
			l.Write(id, in)
			return len(in)
		}
	})
	p := r.dial()
	c := wait(t, "OnOpen", conns)
	if got, want := c.Remote.String(), p.LocalAddr().String(); got != want {
		t.Errorf("Remote is %s, the peer is %s", got, want)
	}
	if got, want := c.Local.String(), p.RemoteAddr().String(); got != want {
		t.Errorf("Local is %s, the peer dialled %s", got, want)
	}
	for range 100 {
		send(t, p, "hello")
		expect(t, p, []byte("hello"))
	}
}

// record is the length of the records that readRest splits.
const record = 10

func readRest(t *testing.T, open Open) {
	got := make(chan []byte, 1)
	var all, rest []byte
	want := pattern(500 * record)
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int {
			if !bytes.HasPrefix(in, rest) || len(in) == len(rest) {
				t.Errorf("the rest % x did not come again in front of something: % x", rest, in)
			}
			used := len(in) / record * record
			all = append(all, in[:used]...)
			rest = append(rest[:0], in[used:]...)
			if len(all) == len(want) {
				got <- all
			}
			return used
		}
	})
	_, p := r.link()
	rnd := rand.New(rand.NewPCG(1, 2))
	for left := want; len(left) > 0; {
		n := min(len(left), 1+rnd.IntN(3*record))
		send(t, p, string(left[:n]))
		left = left[n:]
		if rnd.IntN(4) == 0 {
			r.do(func(poller.Loop) {}) // lets the loop read what there is
		}
	}
	if !bytes.Equal(wait(t, "all records", got), want) {
		t.Errorf("the records differ from what was sent")
	}
}

func readRestWaits(t *testing.T, open Open) {
	got := make(chan string, 10)
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int {
			got <- string(in)
			return 0
		}
	})
	id, p := r.link()
	send(t, p, "abc")
	if s := wait(t, "OnData", got); s != "abc" {
		t.Fatalf("got %q", s)
	}
	for range 20 {
		r.do(func(l poller.Loop) { l.Resume(id) }) // not paused: no reason to deliver
	}
	if len(got) > 0 {
		t.Fatalf("the rest came without newer bytes: %q", <-got)
	}
	send(t, p, "d")
	if s := wait(t, "OnData", got); s != "abcd" {
		t.Fatalf("got %q", s)
	}
}

func readRestLimit(t *testing.T, open Open) {
	const limit = 100
	have := make(chan int, 2*limit)
	reasons := make(chan error, 1)
	r := openRig(t, open, poller.Options{MaxRest: limit}, func(l poller.Loop, s *script) {
		s.data = func(_ poller.ID, in []byte) int {
			have <- len(in)
			return 0
		}
		s.close = func(_ poller.ID, reason error) { reasons <- reason }
	})
	id, p := r.link()
	send(t, p, string(pattern(limit)))
	for wait(t, "OnData", have) < limit {
	}
	r.do(func(l poller.Loop) {
		if _, err := l.Write(id, nil); err != nil {
			t.Errorf("closed at the limit: %v", err)
		}
	})
	send(t, p, "x")
	if reason := wait(t, "OnClose", reasons); reason != poller.ErrRestTooLarge {
		t.Errorf("closed with %v", reason)
	}
}

func readPauseLimit(t *testing.T, open Open) {
	const limit = 100
	total := make(chan int, 1)
	sum := 0
	want := pattern(50 * limit)
	r := openRig(t, open, poller.Options{MaxRest: limit}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int {
			if len(in) > limit {
				t.Errorf("%d bytes at a time, more than MaxRest", len(in))
			}
			if in[0] != want[sum] {
				t.Errorf("byte %d is wrong", sum)
			}
			l.Pause(id) // after the first byte, with the others unused
			l.Post(poller.Task{ID: id})
			if sum++; sum == len(want) {
				total <- sum
			}
			return 1
		}
		s.task = func(task poller.Task) { l.Resume(task.ID) }
		s.close = func(_ poller.ID, reason error) {
			if reason == poller.ErrRestTooLarge {
				t.Errorf("a handler that paused was closed with %v", reason)
			}
		}
	})
	_, p := r.link()
	send(t, p, string(want))
	wait(t, "every byte", total)
}

func readLarge(t *testing.T, open Open) {
	want := pattern(4 << 20)
	for _, maxRest := range []int{0, 1, 1000} {
		size := len(want)
		if maxRest == 1 {
			size = 1000
		}
		done := make(chan bool, 1)
		var got int
		t.Run("", func(t *testing.T) {
			r := openRig(t, open, poller.Options{MaxRest: maxRest}, func(l poller.Loop, s *script) {
				s.data = func(id poller.ID, in []byte) int {
					if !bytes.Equal(in, want[got:got+len(in)]) {
						t.Errorf("wrong bytes at %d", got)
					}
					if got += len(in); got == size {
						done <- true
					}
					return len(in)
				}
			})
			_, p := r.link()
			send(t, p, string(want[:size]))
			wait(t, "all bytes", done)
		})
	}
}

func readBeforeEnd(t *testing.T, open Open) {
	got := make(chan error, 1)
	var data []byte
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.data = func(_ poller.ID, in []byte) int {
			data = append(data, in...)
			return len(in)
		}
		s.close = func(_ poller.ID, reason error) {
			if string(data) != "last words" {
				t.Errorf("before OnClose came %q", data)
			}
			got <- reason
		}
	})
	for range 50 {
		r.do(func(poller.Loop) { data = nil })
		p := r.dial()
		send(t, p, "last words")
		p.Close()
		if reason := wait(t, "OnClose", got); !errors.Is(reason, poller.ErrPeerClosed) {
			t.Fatalf("closed with %v", reason)
		}
	}
	// A peer that ends only its sending side is closed too, and told.
	r.do(func(poller.Loop) { data = nil })
	_, p := r.link()
	send(t, p, "last words")
	p.CloseWrite()
	wait(t, "OnClose", got)
	if b, err := io.ReadAll(p); len(b) > 0 || err != nil {
		t.Errorf("a half-closed peer got %q, %v", b, err)
	}
}
