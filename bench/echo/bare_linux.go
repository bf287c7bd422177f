package echo

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	bareEvents = 256      // of one epoll_wait
	bareRead   = 64 << 10 // of one recv
	bareWait   = 10       // ms, after which stop is looked at
)

// echoBare sends back what comes on sockets until stop.
func echoBare(fds []int, stop *atomic.Bool) (b Bare, err error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return b, fmt.Errorf("echo: floor: epoll_create1: %w", err)
	}
	defer unix.Close(ep)
	for _, fd := range fds {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			return b, fmt.Errorf("echo: floor: epoll_ctl: %w", err)
		}
	}
	events, buf := make([]unix.EpollEvent, bareEvents), make([]byte, bareRead)
	for !stop.Load() {
		n, err := unix.EpollWait(ep, events, bareWait)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return b, fmt.Errorf("echo: floor: epoll_wait: %w", err)
		}
		for _, ev := range events[:max(n, 0)] {
			b.echo(uintptr(ev.Fd), buf, stop)
		}
	}
	return b, nil
}

// echo is one recv(2) and one send(2), and more only if the socket does not take
// all at once, without telling the scheduler, as a reactor does.
func (b *Bare) echo(fd uintptr, buf []byte, stop *atomic.Bool) {
	got, errno := call(unix.SYS_RECVFROM, fd, buf, unix.MSG_DONTWAIT)
	if errno != 0 {
		return
	}
	for rest := buf[:got]; len(rest) > 0; {
		sent, errno := call(unix.SYS_SENDTO, fd, rest, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case errno == unix.EAGAIN && !stop.Load():
			// The client reads on whatever the others do, so this ends.
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, bareWait)
			continue
		case errno != 0:
			b.Lost += int64(len(rest))
			return
		}
		b.Bytes += int64(sent)
		rest = rest[sent:]
	}
}

func call(trap, fd uintptr, b []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
