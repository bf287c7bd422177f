//go:build linux

package netpoll

import (
	lib "github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/accept"
)

// arrival is an accepted connection on its way to its loop.
type arrival struct {
	accept.Link
	listener int
}

// deal gives a to the next loop. It waits while that has a full turn of
// arrivals to open.
func (e *engine) deal(a arrival) {
	l := e.loops[(e.next.Add(1)-1)%uint32(len(e.loops))]
	select {
	case l.arrivals <- a:
		l.ring()
	case <-e.stopping:
		_ = unix.Close(a.FD)
	}
}

// openArrivals opens the links that have come, as many as a turn may.
func (l *loop) openArrivals() {
	for range l.engine.opts.AcceptBatch {
		select {
		case a := <-l.arrivals:
			l.open(a)
		default:
			return
		}
	}
}

func (l *loop) open(a arrival) {
	k := l.links.add(l, a.FD)
	l.accepted.Add(1)
	l.calls.OnOpen(k.id, poller.Conn{Listener: a.listener, Local: a.Local, Remote: a.Remote})
	if !k.marked {
		l.enrol(k)
	}
}

// enrol gives k to the library to read. That calls onRequest and onEnd only on
// goroutines of its own, but it may do so from now on.
func (l *loop) enrol(k *link) {
	conn, err := lib.NewFDConnection(k.fd)
	if err != nil {
		k.fd = -1 // it has closed the descriptor
		l.Close(k.id, err)
		return
	}
	k.conn = conn
	l.enrolled.Add(1)
	_ = conn.AddCloseCallback(k.onEnd) // these two always return nil
	_ = conn.SetOnRequest(k.onRequest)
	// The library has read since NewFDConnection. An end that it saw before
	// there was an onRequest, it keeps for itself.
	if !conn.IsActive() && conn.Reader().Len() == 0 {
		go conn.Close()
	}
}

// refuseArrivals closes the connections that never became links.
func (l *loop) refuseArrivals() {
	for {
		select {
		case a := <-l.arrivals:
			_ = unix.Close(a.FD)
		default:
			return
		}
	}
}
