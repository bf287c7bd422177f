package raw

import (
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// blocked has a loop that sleeps block its thread in epoll_wait, which an
// eventfd in the set ends.
type blocked struct {
	// immutable
	poll *poll
	bell int // the eventfd

	// guards bell against a wake that comes when the loop has ended
	mu     sync.RWMutex
	closed bool // guarded by mu

	// owned by the loop
	coarse bool          // the kernel lacks epoll_pwait2
	until  unix.Timespec // scratch of blockFine
}

func openBlocked(p *poll) (*blocked, error) {
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(p.fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	// Edge-triggered, each ring is an event of its own, and the count in the
	// eventfd never has to be read.
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -1, Pad: listenerGen}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, bell, &e); err != nil {
		_ = unix.Close(p.fd)
		_ = unix.Close(bell)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return &blocked{poll: p, bell: bell}, nil
}

// sleep goes on when a signal ends it: the runtime sends some, to threads that
// it takes for running.
func (s *blocked) sleep(d time.Duration, ready func() bool) {
	if !ready() {
		return
	}
	end := time.Now().Add(d)
	for s.block(d) == unix.EINTR {
		if d > 0 {
			d = max(time.Until(end), 0)
		}
	}
}

// block takes events, of which it waits for the first: for d, for ever if d is
// negative.
func (s *blocked) block(d time.Duration) error {
	n, err := 0, error(unix.ENOSYS)
	if !s.coarse {
		n, err = s.blockFine(d)
	}
	if err == unix.ENOSYS {
		s.coarse = true
		n, err = unix.EpollWait(s.poll.fd, s.poll.events[:], milliseconds(d))
	}
	s.poll.n = max(n, 0)
	return err
}

// blockFine is exact to the nanosecond. Kernels before 5.11 say ENOSYS.
func (s *blocked) blockFine(d time.Duration) (int, error) {
	var until *unix.Timespec
	if d >= 0 {
		s.until = unix.NsecToTimespec(int64(d))
		until = &s.until
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.poll.fd),
		uintptr(unsafe.Pointer(&s.poll.events[0])), batch, uintptr(unsafe.Pointer(until)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// milliseconds is d as epoll_wait wants it, rounded up: a loop may wake late, but
// must not spin.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((d + time.Millisecond - 1) / time.Millisecond)
}

func (s *blocked) wake() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return
	}
	one := uint64(1)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(s.bell), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
}

func (s *blocked) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = unix.Close(s.poll.fd)
	_ = unix.Close(s.bell)
}
