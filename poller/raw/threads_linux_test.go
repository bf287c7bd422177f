package raw

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// Loops that sleep are goroutines: a hundred of them keep no thread each.
func TestIdleLoopsKeepNoThread(t *testing.T) {
	const loops = 100
	threads := func() int {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks)
	}
	before := threads()
	turned := make(chan bool, loops)
	e, err := Open(poller.Options{
		Listen:     []string{"127.0.0.1:0"},
		Loops:      loops,
		NewHandler: func(l poller.Loop) poller.Handler { return turning{&echo{loop: l, size: 1}, turned} },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range e.Loops() {
		if !l.Post(poller.Task{}) {
			t.Fatal("Post was refused")
		}
	}
	for range loops {
		<-turned
	}
	if n := threads() - before; n > loops/4 {
		t.Errorf("%d loops asleep keep %d threads", loops, n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// turning tells of each task and sleeps for ever.
type turning struct {
	*echo
	turned chan<- bool
}

func (h turning) OnTask(poller.Task)             { h.turned <- true }
func (h turning) OnTurn(time.Time) time.Duration { return -1 }
