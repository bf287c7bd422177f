//go:build linux

// Package writable tells when full sockets take bytes again. It is for engines
// over libraries that write to sockets but do not say when one was full, or
// that it no longer is: the engine writes itself, and asks here after a short
// write. A socket costs nothing until then.
package writable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/parked"
)

const batch = 256 // events taken at once

// Set of sockets that are waited for, by an epoll of its own. Each is reported
// once for each Arm.
type Set struct {
	// immutable after Open
	fd    int
	epoll *parked.FD // owns fd
	tell  func([]poller.ID)
	ended chan struct{}

	// owned by the goroutine
	events [batch]unix.EpollEvent
	ids    [batch]poller.ID
}

// Open starts a goroutine that waits, parked in the runtime's poller and so
// without a thread, and calls tell with the links whose sockets take bytes
// again, or have failed. The slice is valid only in the call. A link may have
// ended meanwhile: look its ID up.
func Open(tell func([]poller.ID)) (*Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	epoll, err := parked.New(fd, "epoll")
	if err != nil {
		return nil, err
	}
	s := &Set{fd: fd, epoll: epoll, tell: tell, ended: make(chan struct{})}
	go s.run()
	return s, nil
}

// Arm has the socket fd of link id reported once, when it takes bytes. To
// close fd is to take it out.
func (s *Set) Arm(fd int, id poller.ID) error {
	e := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT, Fd: int32(id.Slot), Pad: int32(id.Gen)}
	err := unix.EpollCtl(s.fd, unix.EPOLL_CTL_MOD, fd, &e)
	if errors.Is(err, unix.ENOENT) {
		err = unix.EpollCtl(s.fd, unix.EPOLL_CTL_ADD, fd, &e)
	}
	return os.NewSyscallError("epoll_ctl", err)
}

// Close returns when tell has been called for the last time. Arm must not be
// called beside it or after it.
func (s *Set) Close() {
	s.epoll.Close()
	<-s.ended
}

func (s *Set) run() {
	defer close(s.ended)
	n := 0
	for s.epoll.Wait(func(fd int) bool { n = s.take(fd); return n != 0 }) == nil {
		for i := range n {
			e := &s.events[i]
			s.ids[i] = poller.ID{Slot: uint32(e.Fd), Gen: uint32(e.Pad)}
		}
		s.tell(s.ids[:n])
	}
}

// take asks the kernel for events without waiting.
func (s *Set) take(fd int) int {
	for {
		n, err := unix.EpollWait(fd, s.events[:], 0)
		if err != unix.EINTR {
			return max(n, 0)
		}
	}
}
