package raw

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelDeals: macOS gives all connects to one of the sockets that share a
// port, so the loops accept from one socket, and each connect goes to a loop
// that is awake first.
const kernelDeals = false

func shareable(string, string, syscall.RawConn) error { return nil }

// accept4 is not here, so this is accept(2); the lock keeps a fork from inheriting the
// descriptor before it is marked.
func accept4(fd int) (int, unix.Sockaddr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	nfd, sa, err := unix.Accept(fd)
	if err != nil {
		return -1, nil, err
	}
	unix.CloseOnExec(nfd)
	if err := unix.SetNonblock(nfd, true); err != nil {
		_ = unix.Close(nfd)
		return -1, nil, err
	}
	return nfd, sa, nil
}
