package floor

import (
	"context"
	"errors"
	"fmt"

	"github.com/oortim/oort/poller"
)

// Taps give a hand on the goroutines of an engine's loops: what is to be
// measured there runs where the handler would be called, on the same thread
// and with the same descriptors. The zero value is ready; it must not be
// copied.
type Taps struct {
	taps []*tap // complete when the engine is open
}

// Wrap puts a tap between a loop and its handler, in poller.Options.NewHandler.
// The tap passes everything on but its own task.
func (t *Taps) Wrap(l poller.Loop, h poller.Handler) poller.Handler {
	one := &tap{Handler: h, loop: l}
	t.taps = append(t.taps, one)
	return one
}

// taskCall is the taps' own task, far from the kinds of any handler.
const taskCall uint32 = 1 << 31

type tap struct {
	poller.Handler
	loop poller.Loop
}

// call is what one loop is to do.
type call struct {
	do   func(loop int) error
	done chan<- error
}

func (t *tap) OnTask(task poller.Task) {
	if task.Kind != taskCall {
		t.Handler.OnTask(task)
		return
	}
	c := task.Ref.(*call)
	c.done <- c.do(t.loop.Index()) // has room
}

// Each runs do on every loop, at the same time, and waits until all have
// done it or ctx is over; then some may still be at it.
func (t *Taps) Each(ctx context.Context, do func(loop int) error) (err error) {
	done := make(chan error, len(t.taps))
	for _, one := range t.taps {
		if !one.loop.Post(poller.Task{Kind: taskCall, Ref: &call{do: do, done: done}}) {
			return fmt.Errorf("floor: loop %d takes no task", one.loop.Index())
		}
	}
	for range t.taps {
		select {
		case e := <-done:
			err = errors.Join(err, e)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// Sockets are the connected sockets for which keep holds, of each loop. Where
// loops share one descriptor table nothing tells whose a socket is: then they
// all see the same ones, and each takes its share. Sockets that an engine
// keeps outside of such tables are not found.
func (t *Taps) Sockets(ctx context.Context, keep func(Socket) bool) (of [][]Socket, err error) {
	of = make([][]Socket, len(t.taps))
	err = t.Each(ctx, func(loop int) error {
		all, err := Sockets()
		for _, s := range all {
			if keep(s) {
				of[loop] = append(of[loop], s)
			}
		}
		return err
	})
	if err != nil || !sameTable(of) {
		return of, err
	}
	for loop := range of {
		of[loop] = share(of[loop], loop, len(of))
	}
	return of, nil
}

// sameTable reports whether two loops see one socket.
func sameTable(of [][]Socket) bool {
	return len(of) > 1 && len(of[0]) > 0 && len(of[1]) > 0 && of[0][0].Inode == of[1][0].Inode
}

// share is every nth of list, from the index-th.
func share(list []Socket, index, n int) (own []Socket) {
	for i := index; i < len(list); i += n {
		own = append(own, list[i])
	}
	return own
}
