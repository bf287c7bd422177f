//go:build linux

package netpoll

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller/internal/accept"
	"github.com/oortim/oort/poller/internal/parked"
)

// listener accepts bare descriptors, unknown to the runtime's poller, for the
// library to enrol.
type listener struct {
	bound net.Addr
	local accept.Local // of its connections
	fd    *parked.FD
}

func listen(addr string, backlog int) (*listener, error) {
	fd, bound, err := accept.Bare(addr, backlog, nil)
	if err != nil {
		return nil, err
	}
	wait, err := parked.New(fd, "listener")
	if err != nil {
		return nil, err
	}
	return &listener{bound, accept.LocalOf(bound), wait}, nil
}

func (ln *listener) Addr() net.Addr { return ln.bound }

func (ln *listener) Close() error {
	ln.fd.Close()
	return nil
}

// acceptAll takes the connects of ln, which is at index i of Options.Listen.
func acceptAll(e *engine, i int, ln *listener) {
	for {
		var a arrival
		if !e.Persist(func() (err error) { a, err = ln.accept(); return err }) {
			return
		}
		a.Conn.Listener = i
		e.Next().Deal(a)
	}
}

// accept returns a connection that is non-blocking and without Nagle's delay.
func (ln *listener) accept() (a arrival, err error) {
	var peer unix.Sockaddr
	closed := ln.fd.Wait(func(fd int) bool {
		a.FD, peer, err = unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return err != unix.EAGAIN && !accept.OfOneConnect(err)
	})
	if err = errors.Join(closed, err); err != nil {
		return a, err
	}
	_ = unix.SetsockoptInt(a.FD, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	a.Conn.Local, a.Conn.Remote = ln.local.Of(a.FD), accept.AddrPort(peer)
	return a, nil
}
