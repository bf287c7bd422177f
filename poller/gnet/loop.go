//go:build linux

package gnet

import (
	"context"
	"sync"
	"time"

	lib "github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/adapter"
	"github.com/oortim/oort/poller/internal/writable"
)

// readSize is the read buffer of a gnet loop.
const readSize = 64 << 10

// loop is one gnet event loop, and all that it owns. gnet's goroutine for it is
// the one that calls it.
type loop struct {
	adapter.Loop[conn]

	// immutable after Open
	engine *engine
	client *lib.Client
	epoll  int // gnet's
	full   *writable.Set

	// safe from anywhere
	bell    bell
	timer   *time.Timer   // rings
	door    chan struct{} // a place for each connect that may come in
	stopped chan struct{} // closed when OnStop has been called

	drainedMu sync.Mutex
	drained   []poller.ID // guarded by drainedMu; links whose sockets take bytes again

	// owned by the loop
	admitted int         // connects that came in since the door was opened
	spent    []poller.ID // drained of the last turn, to be used again
	over     bool        // stopped
}

// conn is what this package keeps of a link.
type conn struct {
	lib   lib.Conn // nil once gnet has closed it
	muted bool     // it is out of gnet's epoll
}

type link = adapter.Link[conn]

func newLoop(e *engine, index int) (*loop, error) {
	l := &loop{
		engine:  e,
		door:    make(chan struct{}, e.Options.AcceptBatch),
		stopped: make(chan struct{}),
	}
	for range e.Options.AcceptBatch {
		l.door <- struct{}{}
	}
	l.bell.turn = lib.RunnableFunc(func(context.Context) error { l.execute(); return nil })
	l.Prepare(e.Options, index, adapter.Adapter[conn](l), l.bell.ring)
	l.timer = time.AfterFunc(time.Hour, l.bell.ring)
	l.timer.Stop()
	return l, l.start()
}

// start opens what can fail, and leaves nothing open if it does.
func (l *loop) start() (err error) {
	if l.full, err = writable.Open(l.drain); err != nil {
		return err
	}
	if l.client, err = newClient(l); err != nil {
		l.full.Close()
		return err
	}
	if err = l.bell.hang(l.client); err == nil {
		if l.epoll, err = epollOf(l.bell.events); err == nil {
			return nil
		}
		_ = unix.Close(l.bell.socket)
	}
	l.full.Close()
	_ = l.client.Stop()
	return err
}

// Run has gnet begin to call the loop, and ends gnet when the loop has stopped
// and nobody accepts: a goroutine that enrolls a link waits for gnet's answer,
// so gnet must outlive it.
func (l *loop) Run() {
	l.bell.ring() // the first turn
	<-l.stopped
	l.engine.AwaitAcceptors()
	l.Discard()
}

// Discard ends what start has begun.
func (l *loop) Discard() {
	l.timer.Stop()
	l.full.Close()
	l.bell.silence()
	_ = l.client.Stop() // only ever tells of what ended its loop
	_ = unix.Close(l.bell.socket)
}

// stir makes a turn follow a callback of gnet.
func (l *loop) stir() {
	l.Tasks.Awake()
	l.bell.ring()
}

// rang is the byte that again has sent.
func (l *loop) rang() {
	l.bell.sent = false
	l.openDoor()
	l.stir()
}

// execute is what gnet executes when the bell was rung.
func (l *loop) execute() {
	l.bell.rung.Store(false)
	switch {
	case l.over:
	case l.engine.Stopping():
		l.Finish()
		l.ReleaseGone()
		l.over = true
		close(l.stopped)
	default:
		l.Tasks.Awake()
		l.timer.Stop()
		l.sleep(l.turn())
	}
}

func (l *loop) turn() time.Duration {
	wait := l.Turn()
	l.ReleaseGone()
	if l.admitted == cap(l.door) {
		return 0 // somebody may wait at the door; see accept
	}
	return wait
}

// sleep has gnet wait for wait, for somebody to ring, or for events; with
// nothing to wait for, it lets gnet poll once.
func (l *loop) sleep(wait time.Duration) {
	if wait == 0 || !l.Tasks.Sleep() {
		l.bell.again()
	} else if wait > 0 {
		l.timer.Reset(wait)
	}
}
