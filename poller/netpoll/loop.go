//go:build linux

package netpoll

import (
	"sync"

	lib "github.com/cloudwego/netpoll"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/adapter"
	"github.com/oortim/oort/poller/internal/writable"
)

// loop is a lock and a goroutine. The library's goroutines take the lock for
// OnData and the watch of full sockets takes it for OnWritable.
type loop struct {
	adapter.Locked[conn]

	full *writable.Set // sockets with a short write

	// safe from anywhere
	enrolled sync.WaitGroup // links that the library has

	// endMu may be taken with Mu held, and never the other way round.
	endMu sync.Mutex
	ended []*link // guarded by endMu; whose peers ended them
}

// conn is what this package keeps of a link.
type conn struct {
	// guarded by the lock of the loop
	lib lib.Connection // nil until the link is enrolled
	end error          // the peer's end, to be told when the link does not wait

	// owned by onRequest, of which the library runs one at a time
	valve valve

	// guarded by loop.endMu
	over  bool // the library has let go of the descriptor, which is ours to close
	letGo bool // we have asked the library to close the descriptor
}

type (
	link    = adapter.Link[conn]
	arrival = adapter.Arrival[conn]
)

func newLoop(e *engine, index int) (*loop, error) {
	if err := start(); err != nil {
		return nil, err
	}
	l := new(loop)
	adapter.PrepareLocked(&l.Locked, e, index, adapter.Host[conn](l))
	var err error
	l.full, err = writable.Open(l.writable)
	return l, err
}

// Run returns when the library has let go of every link, too.
func (l *loop) Run() {
	l.Locked.Run()
	l.Discard()
	l.enrolled.Wait()
}

func (l *loop) Discard() { l.full.Close() }

// Arm asks the watch.
func (l *loop) Arm(k *link) error { return l.full.Arm(k.FD, k.ID) }

// writable pays what was owed to the links that take bytes again. It runs on
// the goroutine of full.
func (l *loop) writable(ids []poller.ID) {
	l.Mu.Lock()
	for _, id := range ids {
		l.Pay(id)
	}
	l.Mu.Unlock()
	l.Ring()
}
