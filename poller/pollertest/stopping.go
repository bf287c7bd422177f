package pollertest

import (
	"context"
	"errors"
	"testing"

	"github.com/oortim/oort/poller"
)

var stopping = []test{
	{"stopping/closes links, handles tasks, tells OnStop", stopLive},
	{"stopping/gives up waiting when its context is over", stopContext},
	{"stopping/without ever a link", stopIdle},
}

func stopLive(t *testing.T, open Open) {
	const links, queued, loops = 30, 20, 2
	type sum struct {
		opened, closed, tasks int
		stopped               bool
	}
	sums := make([]sum, loops)
	opened := make(chan bool, links)
	held, release := make(chan bool), make(chan bool)
	r := openRig(t, open, poller.Options{Loops: loops}, func(l poller.Loop, s *script) {
		sum := &sums[l.Index()]
		s.open = func(poller.ID, poller.Conn) { sum.opened++; opened <- true }
		s.close = func(id poller.ID, reason error) {
			sum.closed++
			if reason != poller.ErrStopped {
				t.Errorf("closed with %v", reason)
			}
			if sum.tasks != queued {
				t.Errorf("closed after %d of %d tasks", sum.tasks, queued)
			}
			if l.Post(poller.Task{Kind: numbered}) {
				t.Error("a task was taken that cannot be handled")
			}
		}
		s.task = func(task poller.Task) {
			if task.Kind == numbered {
				sum.tasks++
				return
			}
			held <- true
			<-release
		}
		s.stop = func() { sum.stopped = true }
	})
	for range links {
		r.dial()
		wait(t, "OnOpen", opened)
	}
	for _, l := range r.engine.Loops() {
		post(t, l, poller.Task{})
		wait(t, "OnTask", held)
		for range queued {
			post(t, l, poller.Task{Kind: numbered})
		}
	}
	for range 5 { // never opened, and yet they must not hang
		r.dial()
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	r.engine.Stop(over) // begins while the tasks wait
	close(release)
	r.stop()
	r.stop()
	all := 0
	for i, s := range sums {
		all += s.opened
		if !s.stopped || s.opened != s.closed || s.tasks != queued {
			t.Errorf("loop %d: %+v", i, s)
		}
	}
	if all != links {
		t.Errorf("%d links of %d", all, links)
	}
	for _, p := range r.peers {
		expectEnd(t, p)
	}
	for _, l := range r.engine.Loops() {
		if l.Post(poller.Task{}) {
			t.Error("a task was taken after Stop")
		}
	}
	r.engine.StopAccept()
	if n := r.engine.Stats().Accepted; n != links {
		t.Errorf("Stats.Accepted is %d after Stop", n)
	}
}

func stopContext(t *testing.T, open Open) {
	held, release := make(chan bool), make(chan bool)
	r := openRig(t, open, poller.Options{}, func(_ poller.Loop, s *script) {
		s.task = func(poller.Task) { held <- true; <-release }
	})
	post(t, r.engine.Loops()[0], poller.Task{})
	wait(t, "OnTask", held)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.engine.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop returned %v", err)
	}
	close(release)
}

func stopIdle(t *testing.T, open Open) {
	for range 20 {
		r := openRig(t, open, poller.Options{Loops: 3}, nil)
		r.stop()
	}
}
