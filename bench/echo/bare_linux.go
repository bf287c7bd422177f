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
			b.echo(uintptr(ev.Fd), buf)
		}
	}
	return b, nil
}

// echo is one recv(2) and one send(2), without telling the scheduler, as a
// reactor does.
func (b *Bare) echo(fd uintptr, buf []byte) {
	p := unsafe.Pointer(unsafe.SliceData(buf))
	got, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(p), uintptr(len(buf)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 || got == 0 {
		return
	}
	sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(p), got, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 || sent != got {
		b.Short++
		return
	}
	b.Bytes += int64(got)
}
