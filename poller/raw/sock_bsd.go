//go:build darwin || freebsd

package raw

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxVec is IOV_MAX.
const maxVec = 1024

func recv(fd int32, b []byte) (int, syscall.Errno) {
	n, err := unix.Read(int(fd), b)
	return max(n, 0), number(err)
}

// send raises no SIGPIPE: Go's runtime takes it for descriptors beyond 2.
func send(fd int32, b []byte) (int, syscall.Errno) {
	for {
		n, err := unix.Write(int(fd), b)
		if err != unix.EINTR {
			return max(n, 0), number(err)
		}
	}
}

// vector has nothing to keep: these systems are reached through libc or by a
// wrapper that builds its own.
type vector struct{}

// send sends at most maxVec buffers as one; size is what they add up to.
func (vector) send(fd int32, bufs [][]byte) (n, size int, errno syscall.Errno) {
	for _, b := range bufs {
		size += len(b)
	}
	if size == 0 {
		return 0, 0, 0
	}
	for {
		n, err := unix.SendmsgBuffers(int(fd), bufs, nil, nil, 0)
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
