//go:build linux

package netpoll

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/sock"
)

func (l *loop) Write(id poller.ID, b []byte) (int, error) {
	k := l.links.find(id)
	if k == nil || k.finished {
		return 0, poller.ErrClosed
	}
	if k.owed || len(b) == 0 {
		return 0, nil
	}
	n, errno := sock.Send(k.fd, b)
	return n, l.sent(k, n < len(b), errno)
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
		some := bufs[:min(len(bufs), sock.MaxVec)]
		bufs = bufs[len(some):]
		n, size, errno := l.vec.Send(k.fd, some)
		total += n
		if n < size || errno != 0 {
			return total, l.sent(k, true, errno)
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

// sent draws the consequences of a send: a short one arms OnWritable, a failed
// one marks the link.
func (l *loop) sent(k *link, short bool, errno syscall.Errno) (err error) {
	switch {
	case errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR:
		err = os.NewSyscallError("send", errno)
	case short:
		k.owed = true
		err = l.full.Arm(k.fd, k.id)
	}
	if err != nil {
		l.Close(k.id, err)
	}
	return err
}

// writable pays what was owed to the links that take bytes again. It runs on
// the goroutine of full.
func (l *loop) writable(ids []poller.ID) {
	l.mu.Lock()
	for _, id := range ids {
		if k := l.links.find(id); k != nil && k.owed {
			k.owed = false
			l.calls.OnWritable(id)
		}
	}
	l.mu.Unlock()
	l.ring()
}

// CloseWrite sends FIN. A socket that the peer has reset meanwhile refuses;
// reading will tell, so the error says nothing new.
func (l *loop) CloseWrite(id poller.ID) {
	if k := l.links.find(id); k != nil && !k.finished {
		k.finished, k.owed = true, false
		_ = unix.Shutdown(k.fd, unix.SHUT_WR)
	}
}
