//go:build darwin || freebsd

package sock

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Recv returns how much came; 0 without an error is the peer's end.
func Recv(fd int, b []byte) (int, syscall.Errno) {
	n, err := unix.Read(fd, b)
	return max(n, 0), number(err)
}

// Send returns how much of b the socket took. It raises no SIGPIPE: Go's runtime takes it for descriptors beyond 2.
func Send(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, err := unix.Write(fd, b)
		if err != unix.EINTR {
			return max(n, 0), number(err)
		}
	}
}

// Vector has nothing to keep: these systems are reached through libc or by a
// wrapper that builds its own.
type Vector struct{}

// send sends at most maxVec buffers as one; size is what they add up to.
func (Vector) send(fd int, bufs [][]byte) (n, size int, errno syscall.Errno) {
	for _, b := range bufs {
		size += len(b)
	}
	if size == 0 {
		return 0, 0, 0
	}
	for {
		n, err := unix.SendmsgBuffers(fd, bufs, nil, nil, 0)
		if err != unix.EINTR {
			return max(n, 0), size, number(err)
		}
	}
}

// number is err as the number that it is; an error without one is EIO.
func number(err error) syscall.Errno {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		return syscall.EIO
	}
	return errno
}
