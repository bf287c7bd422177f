package taskq

import (
	"sync"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

func TestBound(t *testing.T) {
	q := New(3, func() {})
	put := func(want bool) {
		t.Helper()
		if q.Put(poller.Task{}) != want {
			t.Errorf("Put is not %v", want)
		}
	}
	put(true)
	put(true)
	put(true)
	put(false)
	if n := q.Gather(2); n != 2 {
		t.Fatalf("Gather(2) of 3 is %d", n)
	}
	put(false) // gathered, but not begun
	q.Next()
	put(true)
	put(false)
	q.Next()
	if n := q.Gather(9); n != 1 {
		t.Errorf("what was posted after Gather is not the next batch's: %d", n)
	}
	q.Next()
	if n := q.Gather(9); n != 1 {
		t.Errorf("Gather of the task posted meanwhile: %d", n)
	}
	q.End()
	put(false)
}

func TestMemoryOfBurstIsGivenBack(t *testing.T) {
	const burst = 50_000
	q := New(burst, func() {})
	ref := new(int)
	for range 2 {
		for range burst {
			q.Put(poller.Task{Ref: ref})
		}
		for range q.Gather(burst) {
			q.Next()
		}
	}
	q.Gather(1)
	q.Gather(1)
	if n := cap(q.in) + cap(q.out); n > 2*keep {
		t.Errorf("an empty queue holds room for %d tasks", n)
	}
	for _, task := range q.out[:cap(q.out)] {
		if task.Ref != nil {
			t.Fatal("an empty queue holds on to what a task referred to")
		}
	}
}

func TestSleepIsRefused(t *testing.T) {
	woken := 0
	q := New(9, func() { woken++ })
	q.Put(poller.Task{})
	if woken != 0 {
		t.Error("woke a loop that did not sleep")
	}
	if q.Sleep() {
		t.Error("may sleep with a task in the queue")
	}
	q.Gather(1)
	if q.Sleep() {
		t.Error("may sleep with a task gathered")
	}
	q.Next()
	if !q.Sleep() {
		t.Error("may not sleep with nothing to do")
	}
	q.Put(poller.Task{})
	q.Put(poller.Task{})
	q.Kick()
	if woken != 1 || q.Wakes() != 1 {
		t.Errorf("woke %d times for one sleep, counted %d", woken, q.Wakes())
	}
	q.Awake()
	for range q.Gather(9) {
		q.Next()
	}
	if q.Sleep() {
		t.Error("may sleep though somebody kicked")
	}
	if !q.Sleep() {
		t.Error("one kick spoils two sleeps")
	}
}

// Posters and a loop that sleeps as often as it may: no task is left lying.
func TestNoWakeIsLost(t *testing.T) {
	const posters, each = 4, 20_000
	bell := make(chan struct{}, 1)
	q := New(100, func() { bell <- struct{}{} })
	var posting sync.WaitGroup
	for range posters {
		posting.Go(func() {
			for n := 0; n < each; {
				if q.Put(poller.Task{}) {
					n++
				} else {
					time.Sleep(10 * time.Microsecond)
				}
			}
		})
	}
	for left := posters * each; left > 0; {
		if q.Sleep() {
			select {
			case <-bell:
			case <-time.After(10 * time.Second):
				t.Fatalf("asleep with %d tasks to come", left)
			}
		}
		q.Awake()
		select {
		case <-bell: // a wake may come late
		default:
		}
		for range q.Gather(7) {
			q.Next()
			left--
		}
	}
	posting.Wait()
}
