//go:build unix

package std

import (
	"os"
	"syscall"

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
	n, err := k.attempt(func(fd int) (int, error) { return syscall.Write(fd, b) })
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
		n, err := k.attempt(func(fd int) (int, error) { return unix.SendmsgBuffers(fd, some, nil, nil, 0) })
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

// attempt makes one try, whatever comes of it: RawConn.Write waits only if the
// function says that it shall.
func (k *link) attempt(write func(fd int) (int, error)) (n int, err error) {
	closed := k.raw.Write(func(fd uintptr) bool {
		for {
			n, err = write(int(fd))
			if err != syscall.EINTR {
				return true
			}
		}
	})
	if closed != nil {
		err = closed
	}
	return max(n, 0), err
}

// sent draws the consequences of an attempt: a short one starts the wait for
// OnWritable, a failed one marks the link.
func (l *loop) sent(k *link, short bool, err error) error {
	switch {
	case err != nil && err != syscall.EAGAIN:
		err = os.NewSyscallError("write", err)
		l.Close(k.id, err)
		return err
	case short:
		k.owed = true
		l.goroutines.Go(func() { l.awaitWritable(k) })
	}
	return nil
}

// awaitWritable calls OnWritable when the socket takes bytes again. It asks
// poll(2) rather than trust that it was woken for a reason: RawConn.Write
// forgets earlier readiness when it begins, and its first wake may be stale.
func (l *loop) awaitWritable(k *link) {
	if k.raw.Write(func(fd uintptr) bool { return writable(int(fd)) }) != nil {
		return // closed
	}
	l.mu.Lock()
	if !k.marked && k.owed {
		k.owed = false
		l.calls.OnWritable(k.id)
	}
	l.mu.Unlock()
	l.ring()
}

// writable says whether a write would take something or fail.
func writable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(fds, 0)
		if err != unix.EINTR {
			return n != 0
		}
	}
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
	_ = k.conn.CloseWrite()
}
