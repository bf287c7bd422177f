//go:build linux || darwin || freebsd

package raw

import (
	"net"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller/internal/accept"
)

// listener is one listening socket of one loop. Its index in loop.listeners
// is that of its address in Options.Listen.
type listener struct {
	fd    int
	bound *net.TCPAddr
	local accept.Local // of its connections
	armed bool         // the kernel reports connects
}

// listen opens one listening socket for l.
func (l *loop) listen(addr string) (*net.TCPAddr, error) {
	first := l.engine.Own[0]
	if l != first && !kernelDeals {
		return l.share(first)
	}
	if l == first && l.engine.how.Private {
		var release func() error
		var err error
		if addr, release, err = named(addr); err != nil {
			return nil, err
		}
		defer release()
	}
	fd, bound, err := accept.Bare(addr, l.engine.Options.Backlog, shareable)
	if err != nil {
		return nil, err
	}
	bequeath(fd)
	return bound, l.attend(listener{fd: fd, bound: bound, local: accept.LocalOf(bound)})
}

// named is addr with a port: if it leaves that to the kernel, with one that is
// held until release. A socket to which the kernel gave its port loses it when it stops
// listening; one that asked for it keeps it. See pauseAccept.
func named(addr string) (name string, release func() error, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, err
	}
	if port != "0" {
		return addr, func() error { return nil }, nil
	}
	ln, err := accept.TCP(addr, shareable)
	if err != nil {
		return "", nil, err
	}
	return net.JoinHostPort(host, strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)), ln.Close, nil
}

// share makes l accept from the last socket that first opened.
func (l *loop) share(first *loop) (*net.TCPAddr, error) {
	ln := first.listeners[len(first.listeners)-1]
	fd, err := unix.FcntlInt(uintptr(ln.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ln.fd, ln.armed = fd, false
	return ln.bound, l.attend(ln)
}

func (l *loop) attend(ln listener) error {
	l.listeners = append(l.listeners, ln)
	return l.hear(len(l.listeners) - 1)
}
