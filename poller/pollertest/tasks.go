package pollertest

import (
	"sync"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

var tasks = []test{
	{"tasks/arrive whole and in the order of posting", taskOrder},
	{"tasks/of many posters arrive in each one's order", taskPosters},
	{"tasks/are refused when the queue is full", taskFull},
	{"tasks/may be posted in callbacks", taskInside},
	{"turns/negative sleeps until something happens", turnForEver},
	{"turns/a wait is kept", turnWait},
	{"turns/zero does not sleep", turnBusy},
	{"turns/come after callbacks and tell the time", turnAfter},
}

// Kinds of the tasks that the suite posts.
const numbered uint32 = 7

func post(t *testing.T, l poller.Loop, task poller.Task) {
	t.Helper()
	eventually(t, "room in the queue", func() bool { return l.Post(task) })
}

func taskOrder(t *testing.T, open Open) {
	const n = 20_000
	done := make(chan bool, 1)
	ref := new(int)
	next := uint64(0)
	r := openRig(t, open, poller.Options{Queue: 500}, func(_ poller.Loop, s *script) {
		s.task = func(task poller.Task) {
			want := poller.Task{Kind: numbered, ID: poller.ID{Slot: 1, Gen: 2}, Arg: next, Ref: ref}
			if task != want {
				t.Errorf("got %+v, want %+v", task, want)
			}
			if next++; next == n {
				done <- true
			}
		}
	})
	for i := range uint64(n) {
		post(t, r.engine.Loops()[0], poller.Task{Kind: numbered, ID: poller.ID{Slot: 1, Gen: 2}, Arg: i, Ref: ref})
	}
	wait(t, "the last task", done)
}

func taskPosters(t *testing.T, open Open) {
	const posters, each, loops = 8, 3000, 3
	var done sync.WaitGroup
	done.Add(posters * each * loops)
	r := openRig(t, open, poller.Options{Loops: loops}, func(_ poller.Loop, s *script) {
		var next [posters]uint64
		s.task = func(task poller.Task) {
			who := task.ID.Slot
			if task.Arg != next[who] {
				t.Errorf("poster %d: got %d, want %d", who, task.Arg, next[who])
			}
			next[who]++
			done.Done()
		}
	})
	var posting sync.WaitGroup
	for who := range uint32(posters) {
		posting.Go(func() {
			for i := range uint64(each) {
				for _, l := range r.engine.Loops() {
					post(t, l, poller.Task{Kind: numbered, ID: poller.ID{Slot: who}, Arg: i})
				}
			}
		})
	}
	posting.Wait()
	handled := make(chan bool)
	go func() { done.Wait(); close(handled) }()
	wait(t, "every task", handled)
}

func taskFull(t *testing.T, open Open) {
	const queue = 10
	held, release := make(chan bool), make(chan bool)
	handled := make(chan uint64, 3*queue)
	r := openRig(t, open, poller.Options{Queue: queue}, func(_ poller.Loop, s *script) {
		s.task = func(task poller.Task) {
			if task.Kind == 0 {
				held <- true
				<-release
				return
			}
			handled <- task.Arg
		}
	})
	l := r.engine.Loops()[0]
	for range 3 {
		post(t, l, poller.Task{})
		wait(t, "OnTask", held)
		for i := range uint64(queue) {
			if !l.Post(poller.Task{Kind: numbered, Arg: i}) {
				t.Errorf("refused with %d of %d in the queue", i, queue)
			}
		}
		if l.Post(poller.Task{Kind: numbered, Arg: 99}) {
			t.Errorf("took more than %d", queue)
		}
		release <- true
		for i := range uint64(queue) {
			if got := wait(t, "a task", handled); got != i {
				t.Errorf("got %d, want %d", got, i)
			}
		}
	}
}

func taskInside(t *testing.T, open Open) {
	const hops = 1000
	done := make(chan bool, 1)
	var loops []poller.Loop
	r := openRig(t, open, poller.Options{Loops: 2}, func(l poller.Loop, s *script) {
		loops = append(loops, l)
		s.task = func(task poller.Task) {
			if task.Arg == hops {
				done <- true
				return
			}
			task.Arg++
			to := loops[task.Arg/2%2] // twice to itself, twice to the other
			if !to.Post(task) {
				t.Error("refused")
			}
		}
	})
	post(t, r.engine.Loops()[0], poller.Task{Kind: numbered})
	wait(t, "the last hop", done)
}

func turnForEver(t *testing.T, open Open) {
	turns := 0
	r := openRig(t, open, poller.Options{}, func(_ poller.Loop, s *script) {
		s.turn = func(time.Time) time.Duration { turns++; return -1 }
	})
	r.link()
	var before, after int
	r.do(func(poller.Loop) { before = turns })
	time.Sleep(100 * time.Millisecond) // the time in which nothing may happen
	r.do(func(poller.Loop) { after = turns })
	if after-before > 4 {
		t.Errorf("%d turns in 100 ms without a reason", after-before)
	}
	if r.engine.Stats().Wakes == 0 {
		t.Error("tasks came to a sleeping loop, and no wake was counted")
	}
}

func turnWait(t *testing.T, open Open) {
	const nap = 30 * time.Millisecond
	starts := make(chan time.Time, 100)
	r := openRig(t, open, poller.Options{}, func(_ poller.Loop, s *script) {
		s.turn = func(time.Time) time.Duration {
			if len(starts) < cap(starts) {
				starts <- time.Now()
			}
			return nap
		}
	})
	_ = r
	last := wait(t, "a turn", starts)
	for range 5 {
		next := wait(t, "the next turn", starts)
		if gap := next.Sub(last); gap < nap-time.Millisecond {
			t.Errorf("slept for %v, was told %v", gap, nap)
		}
		last = next
	}
}

func turnBusy(t *testing.T, open Open) {
	const n = 1000
	done := make(chan bool, 1)
	turns := 0
	openRig(t, open, poller.Options{}, func(_ poller.Loop, s *script) {
		s.turn = func(time.Time) time.Duration {
			if turns++; turns == n {
				done <- true
			}
			if turns >= n {
				return -1
			}
			return 0
		}
	})
	wait(t, "turn 1000", done)
}

func turnAfter(t *testing.T, open Open) {
	turned := make(chan string, 100)
	pending := ""
	var last time.Time
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.open = func(poller.ID, poller.Conn) { pending += "open " }
		s.data = func(_ poller.ID, in []byte) int { pending += "data "; return len(in) }
		s.close = func(poller.ID, error) { pending += "close " }
		s.task = func(poller.Task) { pending += "task " }
		s.turn = func(now time.Time) time.Duration {
			if now.Before(last) || time.Since(now) < 0 || time.Since(now) > patience {
				t.Errorf("told %v after %v at %v", now, last, time.Now())
			}
			last = now
			if pending != "" {
				turned <- pending
				pending = ""
			}
			return -1
		}
	})
	p := r.dial()
	for _, step := range []struct {
		want string
		act  func()
	}{
		{"open ", func() {}},
		{"data ", func() { send(t, p, "x") }},
		{"task ", func() { post(t, r.engine.Loops()[0], poller.Task{Kind: numbered}) }},
		{"close ", func() { p.Close() }},
	} {
		step.act()
		if got := wait(t, "a turn after "+step.want, turned); got != step.want {
			t.Errorf("a turn came after %q, want %q", got, step.want)
		}
	}
}
