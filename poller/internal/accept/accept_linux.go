// Package accept listens and accepts for engines whose library would not
// survive a want of descriptors. What it accepts is a bare descriptor, unknown
// to the runtime's poller, for a library to enrol.
package accept

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller/internal/parked"
)

// pause is how long accepting rests when descriptors have run out. Nobody
// tells of relief.
const pause = 200 * time.Millisecond

// Listener is a listening socket. Listen makes one.
type Listener struct {
	// immutable
	addr  *net.TCPAddr
	every bool // bound to every address of the host, so that each link is asked for its own
	fd    *parked.FD

	closed chan struct{}
}

// Link is an accepted connection: non-blocking, without Nagle's delay.
type Link struct {
	FD            int
	Local, Remote netip.AddrPort // IPv4 is never mapped
}

// Listen listens on addr, "host:port", with a queue of backlog connects.
func Listen(addr string, backlog int) (*Listener, error) {
	l, err := listen(addr, backlog)
	if err != nil {
		return nil, fmt.Errorf("poller: listen on %q: %w", addr, err)
	}
	return l, nil
}

// listen lets package net resolve and bind. Multipath TCP, its default since
// Go 1.24, is off: accepted sockets would not be plain TCP ones.
func listen(addr string, backlog int) (*Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1} // heartbeats are the server's matter
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	fd, err := duplicate(ln.(*net.TCPListener))
	if err != nil {
		return nil, err
	}
	// A second listen(2) only changes the length of the queue.
	if err := unix.Listen(fd, backlog); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	wait, err := parked.New(fd, "listener")
	if err != nil {
		return nil, err
	}
	bound := ln.Addr().(*net.TCPAddr)
	return &Listener{addr: bound, every: bound.IP.IsUnspecified(), fd: wait, closed: make(chan struct{})}, nil
}

// duplicate is needed as a listener of package net lends its descriptor only
// for calls that do not wait.
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

// Addr is the address bound.
func (l *Listener) Addr() net.Addr { return l.addr }

// Close ends Serve. To be called once.
func (l *Listener) Close() {
	close(l.closed)
	l.fd.Close()
}

// Serve hands every connect to take, until Close. When descriptors run out it
// rests, tells paused once, and goes on when there are some again. take may
// block, and then the connects wait in the kernel's queue.
func (l *Listener) Serve(take func(Link), paused func()) {
	for resting := false; ; {
		k, err := l.accept()
		switch {
		case err == nil:
			resting = false
			take(k)
			continue
		case ofOneConnect(err):
			continue
		case l.isClosed():
			return
		case !resting: // EMFILE, ENFILE, ENOBUFS, ENOMEM, or what we never heard of
			resting = true
			paused()
		}
		select {
		case <-l.closed:
			return
		case <-time.After(pause):
		}
	}
}

func (l *Listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

func (l *Listener) accept() (k Link, err error) {
	var peer unix.Sockaddr
	closed := l.fd.Wait(func(fd int) bool {
		k.FD, peer, err = unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return err != unix.EAGAIN
	})
	if err = errors.Join(closed, err); err != nil {
		return k, err
	}
	_ = unix.SetsockoptInt(k.FD, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	k.Remote, k.Local = addrPort(peer), plain(l.addr.AddrPort())
	if l.every {
		if own, err := unix.Getsockname(k.FD); err == nil {
			k.Local = addrPort(own)
		}
	}
	return k, nil
}

// ofOneConnect says whether an error of accept concerns only the connect that
// was first in the queue. See accept(2), "Error handling": Linux passes
// pending network errors of the new socket.
func ofOneConnect(err error) bool {
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

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return plain(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)))
	}
	return netip.AddrPort{}
}

// plain is a without the disguise of IPv4 as IPv6.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
