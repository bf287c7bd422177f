//go:build linux || darwin || freebsd

package std

import (
	"os"
	"sync"
	"syscall"

	"github.com/oortim/oort/poller"
)

// readSize is as much as one read may bring. Goroutines that wait for the
// lock hold as much each, so it is less than a reactor's.
const readSize = 4096

// buffers are what links are read into: taken only when the socket is tried,
// and given back if it has nothing, so that an idle link holds none.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// serve is the goroutine of one link.
func (l *loop) serve(k *link) {
	room := min(readSize, l.max)
	for room > 0 {
		buf, n, err := receive(k.Own.raw, room)
		room = l.received(k, buf, n, err)
		l.Ring()
	}
}

// receive waits until there is something to read, at most room bytes of it. An
// error, or the end with n == 0, comes without a buffer.
func receive(raw syscall.RawConn, room int) (buf *[readSize]byte, n int, err error) {
	closed := raw.Read(func(fd uintptr) bool {
		buf = buffers.Get().(*[readSize]byte)
		for {
			n, err = syscall.Read(int(fd), buf[:room])
			if err != syscall.EINTR {
				break
			}
		}
		if n <= 0 {
			buffers.Put(buf)
			buf = nil
		}
		return err != syscall.EAGAIN
	})
	if closed != nil {
		return nil, 0, closed
	}
	return buf, n, os.NewSyscallError("read", err)
}

// received delivers what receive brought and returns how much may be read
// next, 0 if the link is at its end.
func (l *loop) received(k *link, buf *[readSize]byte, n int, err error) (room int) {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	for l.Open(k) && k.Waits() {
		l.Wait(k)
	}
	switch {
	case err != nil:
		l.Close(k.ID, err)
	case n == 0:
		l.Close(k.ID, poller.ErrPeerClosed)
	default:
		l.Deliver(k, buf[:n])
	}
	if buf != nil {
		buffers.Put(buf)
	}
	if !l.Open(k) {
		return 0
	}
	return min(l.Room(k), readSize)
}
