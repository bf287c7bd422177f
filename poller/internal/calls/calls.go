// Package calls calls a Handler such that a panic in it stops nothing else:
// the one place where engines meet the code that they serve.
package calls

import (
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
)

// panicPause is the wait after an OnTurn that panicked: a handler that always
// does shall not spin.
const panicPause = 100 * time.Millisecond

// Handler calls the handler of one loop. Its methods are those of
// poller.Handler and belong to the loop; Panics may be read from anywhere.
type Handler struct {
	handler poller.Handler
	loop    poller.Loop
	tell    func(loop int, value any, stack []byte)
	panics  atomic.Uint64
}

// Open makes the handler of l as o says and takes l's panics to o.OnPanic. It
// must come before anything is called.
func (h *Handler) Open(o poller.Options, l poller.Loop) error {
	h.handler, h.loop, h.tell = o.NewHandler(l), l, o.OnPanic
	if h.handler == nil {
		return poller.ErrNoHandler
	}
	return nil
}

// Panics that were contained so far.
func (h *Handler) Panics() uint64 { return h.panics.Load() }

// contain is deferred around each callback that concerns one link.
func (h *Handler) contain(id poller.ID) {
	if v := recover(); v != nil {
		h.panicked(v)
		h.loop.Close(id, &poller.PanicError{Value: v})
	}
}

// survive is deferred around the callbacks that concern no link.
func (h *Handler) survive() {
	if v := recover(); v != nil {
		h.panicked(v)
	}
}

func (h *Handler) panicked(v any) {
	h.panics.Add(1)
	if h.tell != nil {
		defer func() { _ = recover() }() // the teller's own panic must not end the loop either
		h.tell(h.loop.Index(), v, debug.Stack())
	}
}

func (h *Handler) OnOpen(id poller.ID, c poller.Conn) {
	defer h.contain(id)
	h.handler.OnOpen(id, c)
}

// OnData returns what was left unused. A count out of range panics here, and
// is contained like a panic of the handler, whose mistake it is.
func (h *Handler) OnData(id poller.ID, in []byte) (left []byte) {
	defer h.contain(id)
	return in[h.handler.OnData(id, in):]
}

func (h *Handler) OnWritable(id poller.ID) {
	defer h.contain(id)
	h.handler.OnWritable(id)
}

func (h *Handler) OnClose(id poller.ID, reason error) {
	defer h.survive()
	h.handler.OnClose(id, reason)
}

func (h *Handler) OnTask(t poller.Task) {
	defer h.survive()
	h.handler.OnTask(t)
}

func (h *Handler) OnTurn(now time.Time) (wait time.Duration) {
	wait = panicPause
	defer h.survive()
	return h.handler.OnTurn(now)
}

func (h *Handler) OnStop() {
	defer h.survive()
	h.handler.OnStop()
}
