//go:build linux

package gnet

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// maxVec is IOV_MAX.
const maxVec = 1024

func (l *loop) Write(id poller.ID, b []byte) (int, error) {
	k := l.links.find(id)
	if k == nil || k.finished {
		return 0, poller.ErrClosed
	}
	if k.owed || len(b) == 0 {
		return 0, nil
	}
	n, err := attempt(func() (int, error) { return unix.Write(k.fd, b) })
	return n, l.sent(k, n < len(b), err)
}

func (l *loop) Writev(id poller.ID, bufs [][]byte) (int, error) {
	k := l.links.find(id)
	if k == nil || k.finished {
		return 0, poller.ErrClosed
	}
	if k.owed {
		return 0, nil
	}
	total := 0
	for len(bufs) > 0 {
		some := bufs[:min(len(bufs), maxVec)]
		bufs = bufs[len(some):]
		size := 0
		for _, b := range some {
			size += len(b)
		}
		if size == 0 {
			continue
		}
		n, err := attempt(func() (int, error) { return unix.SendmsgBuffers(k.fd, some, nil, nil, unix.MSG_NOSIGNAL) })
		total += n
		if n < size || err != nil {
			return total, l.sent(k, true, err)
		}
	}
	return total, nil
}

func (l *loop) WriteEach(ids []poller.ID, block []byte, taken []int32) {
	taken = taken[:len(ids)]
	for i, id := range ids {
		n, err := l.Write(id, block)
		if err != nil {
			n = -1
		}
		taken[i] = int32(n)
	}
}

func attempt(write func() (int, error)) (int, error) {
	for {
		n, err := write()
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// sent draws the consequences of an attempt: a short one has the socket
// watched, a failed one marks the link.
func (l *loop) sent(k *link, short bool, err error) error {
	if err != nil && err != unix.EAGAIN {
		err = os.NewSyscallError("write", err)
		l.Close(k.id, err)
		return err
	}
	if !short {
		return nil
	}
	k.owed = true
	if err := l.full.Arm(k.fd, k.id); err != nil {
		l.Close(k.id, err)
		return err
	}
	return nil
}

// drain is told by another goroutine which sockets take bytes again.
func (l *loop) drain(ids []poller.ID) {
	l.drainedMu.Lock()
	l.drained = append(l.drained, ids...)
	l.drainedMu.Unlock()
	l.bell.ring()
}

// runDrained pays what was owed.
func (l *loop) runDrained() {
	l.drainedMu.Lock()
	ids := l.drained
	l.drained = l.spent[:0]
	l.drainedMu.Unlock()
	for _, id := range ids {
		if k := l.links.find(id); k != nil && k.owed {
			k.owed = false
			l.calls.OnWritable(id)
		}
	}
	l.spent = ids
}

// CloseWrite sends FIN. A socket that the peer has reset meanwhile refuses;
// reading will tell, so the error says nothing new.
func (l *loop) CloseWrite(id poller.ID) {
	k := l.links.find(id)
	if k == nil || k.finished {
		return
	}
	k.finished = true
	k.owed = false
	_ = unix.Shutdown(k.fd, unix.SHUT_WR)
}
