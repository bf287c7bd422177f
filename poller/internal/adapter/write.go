//go:build linux || darwin || freebsd

package adapter

import (
	"os"
	"syscall"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/sock"
)

func (l *Loop[T]) Write(id poller.ID, b []byte) (int, error) {
	k := l.Find(id)
	if k == nil || k.finished {
		return 0, poller.ErrClosed
	}
	if k.owed || len(b) == 0 {
		return 0, nil
	}
	n, errno := sock.Send(k.FD, b)
	return n, l.sent(k, n < len(b), errno)
}

func (l *Loop[T]) Writev(id poller.ID, bufs [][]byte) (int, error) {
	k := l.Find(id)
	if k == nil || k.finished {
		return 0, poller.ErrClosed
	}
	if k.owed {
		return 0, nil
	}
	n, short, errno := l.vec.Send(k.FD, bufs)
	return n, l.sent(k, short, errno)
}

func (l *Loop[T]) WriteEach(ids []poller.ID, block []byte, taken []int32) {
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
func (l *Loop[T]) sent(k *Link[T], short bool, errno syscall.Errno) (err error) {
	switch {
	case errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR:
		err = os.NewSyscallError("send", errno)
	case short:
		k.owed = true
		err = l.adapter.Arm(k)
	}
	if err != nil {
		l.Close(k.ID, err)
	}
	return err
}

// Pay calls OnWritable if that is owed to id, as its socket takes bytes again.
func (l *Loop[T]) Pay(id poller.ID) {
	if k := l.Find(id); k != nil && k.owed {
		k.owed = false
		l.calls.OnWritable(id)
	}
}

// CloseWrite sends FIN. A socket that the peer has reset meanwhile refuses;
// reading will tell, so the error says nothing new.
func (l *Loop[T]) CloseWrite(id poller.ID) {
	if k := l.Find(id); k != nil && !k.finished {
		k.finished, k.owed = true, false
		_ = syscall.Shutdown(k.FD, syscall.SHUT_WR)
	}
}
