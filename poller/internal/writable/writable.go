//go:build linux

// Package writable tells when full sockets take bytes again. It is for engines
// over libraries that write to sockets but do not say when one was full, or
// that it no longer is: the engine writes itself, and asks here after a short
// write. A socket costs nothing until then.
package writable

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

const batch = 256 // events taken at once

// Set of sockets that are waited for, by an epoll of its own. Each is reported
// once for each Arm.
type Set struct {
	// immutable after Open
	fd    int
	file  *os.File // fd as the runtime's poller knows it; owns it
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
	if err := unix.SetNonblock(fd, true); err != nil { // makes NewFile register it
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	s := &Set{fd: fd, file: os.NewFile(uintptr(fd), "epoll"), tell: tell, ended: make(chan struct{})}
	conn, err := s.file.SyscallConn()
	if err == nil {
		err = s.file.SetReadDeadline(time.Time{}) // fails unless it was registered
	}
	if err != nil {
		_ = s.file.Close()
		return nil, err
	}
	go s.run(conn)
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
	_ = s.file.Close()
	<-s.ended
}

func (s *Set) run(conn syscall.RawConn) {
	defer close(s.ended)
	n := 0
	take := func(uintptr) bool {
		n = s.take()
		return n != 0
	}
	for conn.Read(take) == nil {
		for i := range n {
			e := &s.events[i]
			s.ids[i] = poller.ID{Slot: uint32(e.Fd), Gen: uint32(e.Pad)}
		}
		s.tell(s.ids[:n])
	}
}

// take asks the kernel for events without waiting.
func (s *Set) take() int {
	for {
		n, err := unix.EpollWait(s.fd, s.events[:], 0)
		if err != unix.EINTR {
			return max(n, 0)
		}
	}
}
