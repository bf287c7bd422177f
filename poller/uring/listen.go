//go:build linux

package uring

import (
	"fmt"
	"net"
	"strconv"
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
	var bound *net.TCPAddr
	for _, l := range e.loops {
		if bound, err = l.listen(net.JoinHostPort(host, port)); err != nil {
			return nil, err
		}
		port = strconv.Itoa(bound.Port)
	}
	return bound, nil
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
func (l *loop) listen(addr string) (*net.TCPAddr, error) {
	fd, bound, err := accept.Bare(addr, l.engine.opts.Backlog, shareable)
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
