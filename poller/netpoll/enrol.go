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
//	we end it:    Release ─▶ Connection.Close ─▶ the library stops reading, and closes
//	the peer does: the library stops reading ─▶ onEnd, which detaches ─▶ Release ─▶ we close
//
// Both may begin at once; loop.endMu decides which was first.

// detacher is what every netpoll connection is and its interface does not say.
type detacher interface{ Detach() error }

// Opened has the library read k.
func (l *loop) Opened(k *link) { l.enrol(k) }

// Refuse closes a connection that the library does not know.
func (l *loop) Refuse(a arrival) { _ = unix.Close(a.FD) }

// enrol gives k to the library to read. That calls onRequest and onEnd only on
// goroutines of its own, but it may do so from now on.
func (l *loop) enrol(k *link) {
	c, err := lib.NewFDConnection(k.FD)
	if err != nil {
		k.FD = -1 // it has closed the descriptor
		l.Close(k.ID, err)
		return
	}
	k.Own.lib = c
	l.enrolled.Add(1)
	_ = c.AddCloseCallback(func(c lib.Connection) error { l.onEnd(k, c); return nil }) // these two always return nil
	_ = c.SetOnRequest(l.onRequest(k))
	// The library has read since NewFDConnection. An end that it saw before
	// there was an onRequest, it keeps for itself.
	if !c.IsActive() && c.Reader().Len() == 0 {
		go c.Close()
	}
}

// onEnd is called by the library, once for each link that was enrolled, when
// it reads the link no more and all that it had read was delivered. It must
// not wait for a lock that callbacks hold, as the library tells of many ends
// in turn.
func (l *loop) onEnd(k *link, c lib.Connection) {
	defer l.enrolled.Done()
	l.endMu.Lock()
	defer l.endMu.Unlock()
	if k.Own.letGo {
		return
	}
	// In the library's own close Detach only has it leave the descriptor open.
	_ = c.(detacher).Detach()
	k.Own.over = true
	l.ended = append(l.ended, k)
	l.Ring()
}

// Begin marks the links that peers have ended, and gives those back to the
// library that it lost by mistake: where it is built with the race detector it
// finds links by descriptor, so a late event of a closed link ends the one that
// has its descriptor now. Nothing is lost by it: what was read has been
// delivered.
func (l *loop) Begin() {
	l.endMu.Lock()
	ended := l.ended
	l.ended = nil
	l.endMu.Unlock()
	for _, k := range ended {
		if !l.Open(k) {
			continue // its descriptor may be closed already
		}
		if alive(k.FD) {
			k.Own.over, k.Own.valve = false, valve{} // nobody else knows of k now
			l.enrol(k)
			continue
		}
		k.Own.end = reason(k)
		if !k.Waits() {
			l.tellEnd(k)
		}
	}
}

// alive says whether there are bytes to read from fd, or may be later.
func alive(fd int) bool {
	var b [1]byte
	n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n > 0 || err == unix.EAGAIN
}

// tellEnd marks k if its peer has ended it.
func (l *loop) tellEnd(k *link) {
	if k.Own.end != nil {
		l.Close(k.ID, k.Own.end)
	}
}

// reason asks the kernel how k ended, which the library knew and did not tell:
// a socket that is closed without our FIN was reset. With our FIN sent it
// cannot be told from one whose peer has closed.
func reason(k *link) error {
	info, err := unix.GetsockoptTCPInfo(k.FD, unix.IPPROTO_TCP, unix.TCP_INFO)
	const tcpClose = 7 // TCP_CLOSE of include/net/tcp_states.h
	if err == nil && info.State == tcpClose && !k.Finished() {
		return os.NewSyscallError("read", syscall.ECONNRESET)
	}
	return poller.ErrPeerClosed
}

// Release has the descriptor closed. The library calls onEnd within Close.
func (l *loop) Release(k *link) {
	l.endMu.Lock()
	k.Own.letGo = true
	ours := k.Own.over || k.Own.lib == nil
	l.endMu.Unlock()
	if ours {
		_ = unix.Close(k.FD) // the descriptor is gone even if this fails
	} else {
		_ = k.Own.lib.Close() // always nil
	}
}
