//go:build linux || darwin || freebsd

package reactor

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// told is a handler that notes what it is told.
type told struct {
	asks   time.Duration
	closed []poller.ID
	close  func(poller.ID)
	tasks  []uint64
	task   func()
}

func (h *told) OnOpen(poller.ID, poller.Conn)     {}
func (h *told) OnData(_ poller.ID, in []byte) int { return len(in) }
func (h *told) OnWritable(poller.ID)              {}
func (h *told) OnClose(id poller.ID, _ error) {
	h.closed = append(h.closed, id)
	if h.close != nil {
		h.close(id)
	}
}
func (h *told) OnTask(t poller.Task) {
	h.tasks = append(h.tasks, t.Arg)
	if h.task != nil {
		h.task()
	}
}
func (h *told) OnTurn(time.Time) time.Duration { return h.asks }
func (h *told) OnStop()                        {}

// member makes a Loop whole.
type member struct {
	poller.Loop
	own *Loop
}

func (m member) Index() int { return m.own.Index() }

func newLoop(t *testing.T) (*Loop, *told) {
	t.Helper()
	l, h := &Loop{}, &told{}
	o, err := poller.Options{NewHandler: func(poller.Loop) poller.Handler { return h }}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	l.Prepare(o, 3, func() {})
	if err := l.Calls.Open(o, member{own: l}); err != nil {
		t.Fatal(err)
	}
	return l, h
}

func TestSleepIsWhatWasAskedUnlessThereIsWork(t *testing.T) {
	id := poller.ID{Slot: 1, Gen: 1}
	for _, c := range []struct {
		name        string
		asks        time.Duration
		work        func(*Loop)
		least, most time.Duration
	}{
		{"nothing", time.Hour, func(*Loop) {}, time.Hour, time.Hour},
		{"for ever", -1, func(*Loop) {}, -1, -1},
		{"resumed", -1, func(l *Loop) { l.Resumed(id) }, 0, 0},
		{"marked", time.Hour, func(l *Loop) { l.Marked(id, errors.New("x")) }, 0, 0},
		{"a pause", -1, (*Loop).PauseAccept, acceptPause / 2, acceptPause},
		{"a pause longer than asked", time.Microsecond, (*Loop).PauseAccept, time.Microsecond, time.Microsecond},
		{"a pause that ended", -1, func(l *Loop) { l.PauseAccept(); l.EndPause() }, -1, -1},
		{"a pause that is over", -1, func(l *Loop) { l.PauseAccept(); l.retry = time.Now().Add(-time.Second) }, 0, 0},
	} {
		l, h := newLoop(t)
		h.asks = c.asks
		c.work(l)
		if got := l.EndTurn(time.Now()); got < c.least || got > c.most {
			t.Errorf("%s: %v, not %v to %v", c.name, got, c.least, c.most)
		}
	}
}

func TestPauseOfAccept(t *testing.T) {
	l, _ := newLoop(t)
	l.Begin(2)
	if !l.MayAccept() || l.PauseIsOver() {
		t.Error("a loop that has not paused accepts")
	}
	l.Spend()
	l.Spend()
	if l.MayAccept() {
		t.Error("the turn's connects are used up")
	}
	l.Begin(2)
	for range 3 {
		l.PauseAccept() // one pause, however often it goes on
	}
	if l.MayAccept() || !l.Pausing() || l.PauseIsOver() {
		t.Error("a pause has begun")
	}
	l.retry = time.Now()
	if !l.PauseIsOver() || l.MayAccept() {
		t.Error("a pause is over, but not ended")
	}
	l.EndPause()
	if !l.MayAccept() {
		t.Error("the pause has ended")
	}
	l.PauseAccept()
	var s poller.Stats
	if l.count(&s); s.AcceptPauses != 2 {
		t.Errorf("%d pauses were counted, not 2", s.AcceptPauses)
	}
}

func TestResumedAgainWaitsForTheNextTurn(t *testing.T) {
	l, _ := newLoop(t)
	var got []uint32
	deliver := func(id poller.ID) {
		got = append(got, id.Slot)
		if id.Slot < 10 {
			l.Resumed(poller.ID{Slot: id.Slot + 10})
		}
	}
	for slot := range uint32(3) {
		l.Resumed(poller.ID{Slot: slot})
	}
	l.RunResumed(deliver)
	if !slices.Equal(got, []uint32{0, 1, 2}) {
		t.Fatalf("in this turn %v", got)
	}
	l.RunResumed(deliver)
	l.RunResumed(deliver)
	if !slices.Equal(got, []uint32{0, 1, 2, 10, 11, 12}) {
		t.Errorf("in all %v", got)
	}
}

func TestClosingGoesOnWithWhatItMarks(t *testing.T) {
	l, h := newLoop(t)
	var released []poller.ID
	h.close = func(id poller.ID) {
		if len(released) != len(h.closed)-1 {
			t.Errorf("%v is told of before the one before was released", id)
		}
		if id.Slot < 5 {
			l.Marked(poller.ID{Slot: id.Slot + 1}, errors.New("x"))
		}
	}
	l.Marked(poller.ID{}, errors.New("x"))
	l.RunClosing(func(id poller.ID) { released = append(released, id) })
	if len(released) != 6 || !slices.Equal(released, h.closed) || len(l.closing) > 0 {
		t.Errorf("told %v, released %v, left %v", h.closed, released, l.closing)
	}
}

func TestTasksThatPostTasksLeaveTheTurn(t *testing.T) {
	l, h := newLoop(t)
	h.task = func() { l.Post(poller.Task{Arg: uint64(len(h.tasks))}) }
	l.Post(poller.Task{})
	for turn := 1; turn <= 3; turn++ {
		if !l.RunTasks() || len(h.tasks) != turn {
			t.Fatalf("turn %d: tasks %v", turn, h.tasks)
		}
	}
	h.task = nil
	l.RunTasks()
	if l.RunTasks() {
		t.Error("there were tasks after the last")
	}
}
