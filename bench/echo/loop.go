package echo

import (
	"sync/atomic"
	"time"

	"github.com/oortim/oort/comet/slab"
	"github.com/oortim/oort/poller"
)

// loop is the handler of one loop of the engine.
type loop struct {
	// Immutable.
	poller     poller.Loop
	maxMessage int

	// Owned by the loop.
	links   slab.Slab[link]
	held    map[uint32]*held // by slot, of the few links that hold bytes
	spare   []*held
	wire    []byte // what this callback sends
	leaving []deadline

	// Written by the loop, read by anybody.
	n counters
}

type counters struct {
	links                           atomic.Int64
	messages, bytes, pings, refused atomic.Uint64
}

// deadline closes a link that was asked to leave, and whose peer does not.
type deadline struct {
	id poller.ID
	at time.Time
}

// linger is how long a peer may take to end its side when we have ended ours.
const linger = 2 * time.Second

// taskLeave asks every link to leave.
const taskLeave = 1

func newLoop(p poller.Loop, maxMessage int) *loop {
	return &loop{poller: p, maxMessage: maxMessage, held: map[uint32]*held{}}
}

// at is the record of id.
func (l *loop) at(id poller.ID) *link { return l.links.At(id.Slot) }

func (l *loop) OnOpen(id poller.ID, _ poller.Conn) {
	l.links.Grow(id.Slot)
	*l.at(id) = link{id: id}
	l.n.links.Add(1)
}

// OnData echoes what came, all of it in one write.
func (l *loop) OnData(id poller.ID, in []byte) (used int) {
	k := l.at(id)
	l.wire = l.wire[:0]
	used = l.take(k, in)
	l.send(k, l.wire)
	return used
}

func (l *loop) OnWritable(id poller.ID) {
	k := l.at(id)
	if h := l.held[id.Slot]; h != nil {
		l.goOn(k, h)
	}
}

func (l *loop) OnClose(id poller.ID, _ error) {
	l.release(id.Slot)
	*l.at(id) = link{}
	l.n.links.Add(-1)
}

func (l *loop) OnTask(t poller.Task) {
	if t.Kind != taskLeave {
		return
	}
	for slot := range l.links.Len() {
		if k := l.links.At(slot); k.id != (poller.ID{}) {
			l.goAway(k)
		}
	}
}

// OnTurn closes the links whose peers did not end in time. All have the same
// time, so the list is in order; a link that has ended since is not there any
// more, which Close does not mind.
func (l *loop) OnTurn(now time.Time) (wait time.Duration) {
	for len(l.leaving) > 0 {
		first := l.leaving[0]
		if wait := first.at.Sub(now); wait > 0 {
			return wait
		}
		l.poller.Close(first.id, errLinger)
		l.leaving = l.leaving[1:]
	}
	l.leaving = nil
	return -1
}

func (l *loop) OnStop() {}
