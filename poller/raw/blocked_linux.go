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

	coarse bool // the kernel lacks epoll_pwait2; owned by the loop
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

func (s *blocked) sleep(d time.Duration, ready func() bool) {
	if !ready() {
		return
	}
	switch {
	case d < 0:
		s.block(-1)
	case s.coarse || !s.blockFine(d):
		s.block(int((d + time.Millisecond - 1) / time.Millisecond)) // up: a loop may wake late, but must not spin
	}
}

func (s *blocked) block(milliseconds int) {
	n, err := unix.EpollWait(s.poll.fd, s.poll.events[:], milliseconds)
	if err != nil { // EINTR
		n = 0
	}
	s.poll.n = n
}

// blockFine blocks for d to the nanosecond, as epoll_wait knows but
// milliseconds. False means that the kernel, older than 5.11, cannot.
func (s *blocked) blockFine(d time.Duration) bool {
	ts := unix.NsecToTimespec(int64(d))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.poll.fd),
		uintptr(unsafe.Pointer(&s.poll.events[0])), batch, uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 {
		n = 0
	}
	s.poll.n = int(n)
	s.coarse = errno == unix.ENOSYS
	return !s.coarse
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
