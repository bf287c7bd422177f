//go:build linux

package netpoll

import (
	"os"
	"syscall"

	lib "github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// Whoever ends a link, its descriptor must stay open while we may write to it,
// and while the library may read it, or another link that got the same number
// would be hit. Each side can say when it is done:
//
//	we end it:    OnClose ─▶ Connection.Close ─▶ the library stops reading, and closes
//	the peer does: the library stops reading ─▶ onEnd, which detaches ─▶ OnClose ─▶ we close
//
// Both may begin at once; loop.endMu decides which was first.

// detacher is what every netpoll connection is and its interface does not say.
type detacher interface{ Detach() error }

// onEnd is called by the library, once for each link that was enrolled, when
// it reads the link no more and all that it had read was delivered. It must
// not wait for a lock that callbacks hold, as the library tells of many ends
// in turn.
func (k *link) onEnd(conn lib.Connection) error {
	l := k.loop
	defer l.enrolled.Done()
	l.endMu.Lock()
	defer l.endMu.Unlock()
	if k.letGo {
		return nil
	}
	// In the library's own close Detach only has it leave the descriptor open.
	_ = conn.(detacher).Detach()
	k.over = true
	l.ended = append(l.ended, k)
	l.ring()
	return nil
}

// runEnded marks the links that peers have ended, and gives those back to the
// library that it lost by mistake: where it is built with the race detector it
// finds links by descriptor, so a late event of a closed link ends the one that
// has its descriptor now. Nothing is lost by it: what was read has been
// delivered.
func (l *loop) runEnded() {
	l.endMu.Lock()
	ended := l.ended
	l.ended = nil
	l.endMu.Unlock()
	for _, k := range ended {
		if k.marked {
			continue // its descriptor may be closed already
		}
		if k.alive() {
			k.over, k.valve = false, valve{} // nobody else knows of k now
			l.enrol(k)
			continue
		}
		k.end = k.reason()
		if !k.paused && !k.redeliver {
			l.tellEnd(k)
		}
	}
}

// alive says whether there are bytes to read, or may be later.
func (k *link) alive() bool {
	var b [1]byte
	n, _, err := unix.Recvfrom(k.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n > 0 || err == unix.EAGAIN
}

// tellEnd marks k if its peer has ended it.
func (l *loop) tellEnd(k *link) {
	if k.end != nil {
		l.Close(k.id, k.end)
	}
}

// reason asks the kernel how k ended, which the library knew and did not tell:
// a socket that is closed without our FIN was reset. With our FIN sent it
// cannot be told from one whose peer has closed.
func (k *link) reason() error {
	info, err := unix.GetsockoptTCPInfo(k.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	const tcpClose = 7 // TCP_CLOSE of include/net/tcp_states.h
	if err == nil && info.State == tcpClose && !k.finished {
		return os.NewSyscallError("read", syscall.ECONNRESET)
	}
	return poller.ErrPeerClosed
}

// Close marks. It is the one way by which a link ends, whoever ends it.
func (l *loop) Close(id poller.ID, reason error) {
	if k := l.links.find(id); k != nil {
		k.marked = true
		k.openGate()
		l.closing = append(l.closing, closing{k, reason})
	}
}

// runClosing tells and releases the links that were marked, and those that
// OnClose marks meanwhile.
func (l *loop) runClosing() {
	for i := 0; i < len(l.closing); i++ {
		k := l.closing[i].link
		l.calls.OnClose(l.closing[i].link.id, l.closing[i].reason)
		l.rests.Free(k.rest)
		l.links.remove(k.id.Slot)
		l.gone = append(l.gone, k)
	}
	clear(l.closing)
	l.closing = l.closing[:0]
}

// closeGone has the descriptors closed of the links that were released. Only
// the loop's goroutine appends to gone. The library calls onEnd within Close,
// so no lock may be held.
func (l *loop) closeGone() {
	for _, k := range l.gone {
		l.endMu.Lock()
		k.letGo = true
		ours := k.over || k.conn == nil
		l.endMu.Unlock()
		if ours {
			_ = unix.Close(k.fd) // the descriptor is gone even if this fails
		} else {
			_ = k.conn.Close() // always nil
		}
	}
	clear(l.gone)
	l.gone = l.gone[:0]
}
