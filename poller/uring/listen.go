//go:build linux

package uring

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller/internal/accept"
)

// listener is one listening socket of one loop. Its index in loop.listeners
// is that of its address in Options.Listen.
type listener struct {
	fd     int
	local  accept.Local // of its connections
	polled bool         // the kernel will tell of connects
}

// listen opens one listening socket for l.
func (l *loop) listen(addr string) (*net.TCPAddr, error) {
	fd, bound, err := accept.Bare(addr, l.engine.Options.Backlog, shareable)
	if err != nil {
		return nil, err
	}
	l.listeners = append(l.listeners, listener{fd: fd, local: accept.LocalOf(bound)})
	return bound, nil
}

// shareable has the kernel deal connects between the loops.
func shareable(_, _ string, c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); e != nil {
		return e
	}
	return err
}
