//go:build linux || darwin || freebsd

package raw

import (
	"fmt"
	"net"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller/internal/accept"
)

// listener is one listening socket of one loop. Its index in loop.listeners
// is that of its address in Options.Listen.
type listener struct {
	fd    int
	local accept.Local // of its connections
	armed bool         // the kernel reports connects
}

// listen opens every address for every loop.
func (e *engine) listen() error {
	for _, addr := range e.opts.Listen {
		bound, err := e.listenOn(addr)
		if err != nil {
			return fmt.Errorf("poller: listen on %q: %w", addr, err)
		}
		e.addrs = append(e.addrs, bound)
	}
	return nil
}

// listenOn opens addr for each loop; a port that the kernel chose for the
// first loop is the port of the others.
func (e *engine) listenOn(addr string) (net.Addr, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if err := probe(addr, port); err != nil {
		return nil, err
	}
	if e.how.Private && port == "0" {
		// A socket to which the kernel gave its port loses it when it stops
		// listening; one that asked for it keeps it. See pauseAccept.
		ln, err := accept.TCP(net.JoinHostPort(host, port), shareable)
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		port = strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	}
	var first net.Addr
	for i, l := range e.loops {
		if i > 0 && !kernelDeals {
			if err := l.share(e.loops[0]); err != nil {
				return nil, err
			}
			continue
		}
		bound, err := l.listen(net.JoinHostPort(host, port))
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = bound
			port = strconv.Itoa(bound.(*net.TCPAddr).Port)
		}
	}
	return first, nil
}

// probe binds addr for a moment without sharing it. Otherwise two servers that
// were given the same port would both start, and each get half of the links.
// A port of 0 is never one that is in use.
func probe(addr, port string) error {
	if port == "0" {
		return nil
	}
	ln, err := accept.TCP(addr, nil)
	if err != nil {
		return err
	}
	return ln.Close()
}

// listen opens one listening socket for l.
func (l *loop) listen(addr string) (net.Addr, error) {
	fd, bound, err := accept.Bare(addr, l.engine.opts.Backlog, shareable)
	if err != nil {
		return nil, err
	}
	return bound, l.attend(listener{fd: fd, local: accept.LocalOf(bound)})
}

// share makes l accept from the last socket that first opened.
func (l *loop) share(first *loop) error {
	ln := first.listeners[len(first.listeners)-1]
	fd, err := unix.FcntlInt(uintptr(ln.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ln.fd, ln.armed = fd, false
	return l.attend(ln)
}

func (l *loop) attend(ln listener) error {
	l.listeners = append(l.listeners, ln)
	return l.hear(len(l.listeners) - 1)
}
