package sock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

// Recv returns how much came; 0 without an error is the peer's end.
func Recv(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Send returns how much of b the socket took.
func Send(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Vector is what sendmsg(2) wants to be told, kept to be used again.
type Vector struct {
	iov []unix.Iovec
	msg unix.Msghdr
}

// send sends at most maxVec buffers as one; size is what they add up to.
func (v *Vector) send(fd int, bufs [][]byte) (n, size int, errno syscall.Errno) {
	for _, b := range bufs {
		if len(b) > 0 {
			size += len(b)
			v.iov = append(v.iov, unix.Iovec{Base: unsafe.SliceData(b)})
			v.iov[len(v.iov)-1].SetLen(len(b))
		}
	}
	if size == 0 {
		return 0, 0, 0
	}
	v.msg.Iov = &v.iov[0]
	v.msg.SetIovlen(len(v.iov))
	sent, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&v.msg)), flags)
	v.msg.Iov = nil
	clear(v.iov) // no longer references what was taken
	v.iov = v.iov[:0]
	if errno != 0 {
		return 0, size, errno
	}
	return int(sent), size, 0
}
