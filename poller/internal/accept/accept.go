//go:build linux || darwin || freebsd

// Package accept has what engines need to listen and to accept, each in its own
// way: the parts on which they must agree.
package accept

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Control is called with a socket before it is bound; see net.ListenConfig.
type Control func(network, address string, c syscall.RawConn) error

// TCP lets package net resolve addr, "host:port", and bind it. Multipath TCP,
// its default since Go 1.24, is off: accepted sockets would not be plain TCP
// ones. So is keep-alive, as heartbeats are the server's matter. control may be
// nil.
func TCP(addr string, control Control) (*net.TCPListener, error) {
	lc := net.ListenConfig{Control: control, KeepAlive: -1}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// Listen is TCP with a queue of backlog connects.
func Listen(addr string, backlog int) (*net.TCPListener, error) {
	ln, err := TCP(addr, nil)
	if err != nil {
		return nil, err
	}
	// A second listen(2) only changes the length of the queue.
	if err := Lend(ln, func(fd int) error { return unix.Listen(fd, backlog) }); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// Bare is Listen that gives the bare descriptor, which the runtime's poller does
// not know, as a listener of package net lends its own only for calls that do
// not wait.
func Bare(addr string, backlog int, control Control) (fd int, bound *net.TCPAddr, err error) {
	ln, err := TCP(addr, control)
	if err != nil {
		return -1, nil, err
	}
	defer ln.Close()
	err = Lend(ln, func(old int) (err error) {
		if fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return err
		}
		if err = unix.Listen(fd, backlog); err != nil {
			_ = unix.Close(fd)
		}
		return err
	})
	if err != nil {
		return -1, nil, err
	}
	return fd, ln.Addr().(*net.TCPAddr), nil
}

// Lend calls f with the descriptor of c, which stays c's.
func Lend(c syscall.Conn, f func(fd int) error) (err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if closed := raw.Control(func(fd uintptr) { err = f(int(fd)) }); closed != nil {
		return closed
	}
	return err
}

// OfOneConnect says whether an error of accept concerns only the connect that
// was first in the queue. See accept(2), "Error handling": Linux passes
// pending network errors of the new socket.
func OfOneConnect(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.ENOPROTOOPT, unix.ENETDOWN,
		unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ETIMEDOUT:
		return true
	}
	return false
}

// Connection accepts from ln, past errors of one connect.
func Connection(ln *net.TCPListener) (*net.TCPConn, error) {
	for {
		c, err := ln.AcceptTCP()
		if err == nil || !OfOneConnect(err) {
			return c, err
		}
	}
}

// Local tells the local addresses of a listener's connections, without asking
// the kernel where all have the same.
type Local struct {
	bound netip.AddrPort
	every bool // bound to every address of the host, so that each connection has its own
}

// LocalOf is for a listener that is bound to that address.
func LocalOf(bound *net.TCPAddr) Local {
	return Local{Plain(bound.AddrPort()), bound.IP.IsUnspecified()}
}

// Of is the local address of the connection fd.
func (l Local) Of(fd int) netip.AddrPort {
	if l.every {
		if own, err := unix.Getsockname(fd); err == nil {
			return AddrPort(own)
		}
	}
	return l.bound
}

// AddrPort is the address in sa; the zero one for what is not TCP's.
func AddrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return Plain(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)))
	}
	return netip.AddrPort{}
}

// Plain is a without the disguise of IPv4 as IPv6.
func Plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Ends are the addresses of c.
func Ends(c *net.TCPConn) (local, remote netip.AddrPort) {
	return Plain(c.LocalAddr().(*net.TCPAddr).AddrPort()), Plain(c.RemoteAddr().(*net.TCPAddr).AddrPort())
}
