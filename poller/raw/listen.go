//go:build linux || darwin || freebsd

package raw

import (
	"net"

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

// listen opens a listening socket for l, or shares that of the first loop where
// the kernel does not deal connects between several.
func (l *loop) listen(addr string) (*net.TCPAddr, error) {
	if first := l.engine.Own[0]; l != first && !kernelDeals {
		return l.share(first)
	}
	if _, port, _ := net.SplitHostPort(addr); port == "0" && l.engine.how.Private {
		// A socket to which the kernel gave its port loses it when it stops
		// listening; one that asked for it keeps it. See pauseAccept.
		ln, err := accept.TCP(addr, shareable)
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		addr = ln.Addr().String()
	}
	fd, bound, err := accept.Bare(addr, l.engine.Options.Backlog, shareable)
	if err != nil {
		return nil, err
	}
	return bound, l.attend(listener{fd: fd, bound: bound, local: accept.LocalOf(bound)})
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
