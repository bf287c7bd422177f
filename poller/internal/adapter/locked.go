//go:build linux || darwin || freebsd

package adapter

import (
	"sync"
	"time"

	"github.com/oortim/oort/poller"
)

// Host is the Adapter of a Locked.
type Host[T any] interface {
	Adapter[T]
	// Opened tells of a link that OnOpen has not marked: its bytes are wanted.
	Opened(k *Link[T])
	// Refuse closes a connection that never became a link.
	Refuse(a Arrival[T])
}

// Arrival is an accepted connection on its way to its loop.
type Arrival[T any] struct {
	FD   int
	Own  T
	Conn poller.Conn
}

// Locked is a Loop that is a lock and a goroutine. The goroutine runs turns. For
// all else a link, an end or a watch has goroutines of its own, which take Mu,
// call the Loop, give Mu back and Ring, so that a turn follows.
type Locked[T any] struct {
	Loop[T]
	// Mu is held while a callback runs, and guards what the loop owns. The
	// methods of poller.Loop run in callbacks, so they find it held.
	Mu sync.Mutex

	// immutable after Open
	host      Host[T]
	stopping  <-chan struct{}
	acceptors *sync.WaitGroup

	// safe from anywhere
	arrivals chan Arrival[T]
	bell     chan struct{} // one place: a turn is due
}

// PrepareLocked makes l the loop of e of that index.
func PrepareLocked[T any, M Member](l *Locked[T], e *Engine[M], index int, h Host[T]) {
	l.Prepare(e.Options, index, h, l.Ring)
	l.host, l.stopping, l.acceptors = h, e.stopping, &e.acceptors
	l.arrivals = make(chan Arrival[T], e.Options.AcceptBatch)
	l.bell = make(chan struct{}, 1)
}

// Ring makes a turn follow. It never blocks.
func (l *Locked[T]) Ring() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// Deal gives a to the loop. It waits while that has a full turn of arrivals to
// open. To be called by acceptors.
func (l *Locked[T]) Deal(a Arrival[T]) {
	select {
	case l.arrivals <- a:
		l.Ring()
	case <-l.stopping:
		l.host.Refuse(a)
	}
}

// Run runs turns until the engine stops. It returns when all links were
// released.
func (l *Locked[T]) Run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.stopping:
			l.stop()
			return
		default:
			l.sleep(l.turn(), timer)
		}
	}
}

// sleep returns when wait is over, somebody rang, or there are tasks.
func (l *Locked[T]) sleep(wait time.Duration, timer *time.Timer) {
	if wait == 0 || !l.Tasks.Sleep() {
		return
	}
	defer l.Tasks.Awake()
	var over <-chan time.Time
	if wait > 0 {
		timer.Reset(wait)
		over = timer.C
	}
	select {
	case <-l.bell:
	case <-over:
	}
}

func (l *Locked[T]) turn() time.Duration {
	l.Mu.Lock()
	l.openArrivals()
	wait := l.Turn()
	if len(l.arrivals) > 0 {
		wait = 0
	}
	l.Mu.Unlock()
	l.ReleaseGone()
	return wait
}

func (l *Locked[T]) stop() {
	l.acceptors.Wait()
	l.Mu.Lock()
	l.Finish()
	l.Mu.Unlock()
	l.ReleaseGone()
	for len(l.arrivals) > 0 {
		l.host.Refuse(<-l.arrivals)
	}
}

// openArrivals opens the links that have come, as many as a turn may.
func (l *Locked[T]) openArrivals() {
	for range cap(l.arrivals) {
		select {
		case a := <-l.arrivals:
			if k := l.Admit(a.FD, a.Own, a.Conn); l.Open(k) {
				l.host.Opened(k)
			}
		default:
			return
		}
	}
}

// Wait lets go of Mu until k does not wait any more, or is marked, or earlier:
// ask Waits and Open again.
func (l *Locked[T]) Wait(k *Link[T]) {
	gate := make(chan struct{})
	k.gate = gate
	l.Mu.Unlock()
	<-gate
	l.Mu.Lock()
}
