//go:build linux

package uring

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// listener is one listening socket of one loop. Its index in loop.listeners
// is that of its address in Options.Listen.
type listener struct {
	fd     int
	local  netip.AddrPort // the address bound, to tell links without asking the kernel
	every  bool           // bound to every address of the host, so that each link is asked for its own
	polled bool           // the kernel will tell of connects
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
	var first net.Addr
	for _, l := range e.loops {
		bound, err := l.listen(net.JoinHostPort(host, port))
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = bound
			port = strconv.Itoa(bound.Port)
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
	ln, err := listenTCP(addr, nil)
	if err != nil {
		return err
	}
	return ln.Close()
}

func listenTCP(addr string, control func(string, string, syscall.RawConn) error) (*net.TCPListener, error) {
	lc := net.ListenConfig{Control: control}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

func shareable(_, _ string, c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); e != nil {
		return e
	}
	return err
}

func (l *loop) listen(addr string) (*net.TCPAddr, error) {
	ln, err := listenTCP(addr, shareable)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	fd, err := duplicate(ln)
	if err != nil {
		return nil, err
	}
	if err := unix.Listen(fd, l.engine.opts.Backlog); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	bound := ln.Addr().(*net.TCPAddr)
	l.listeners = append(l.listeners, listener{fd: fd, local: plain(bound.AddrPort()), every: bound.IP.IsUnspecified()})
	return bound, nil
}

func duplicate(ln *net.TCPListener) (fd int, err error) {
	rc, err := ln.SyscallConn()
	if err != nil {
		return -1, err
	}
	if e := rc.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); e != nil {
		return -1, e
	}
	return fd, err
}

// plain is a without the disguise of IPv4 as IPv6.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
