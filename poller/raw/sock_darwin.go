package raw

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller/internal/accept"
)

// kernelDeals: macOS gives all connects to one of the sockets that share a
// port, so the loops accept from one socket, and each connect goes to a loop
// that is awake first.
const kernelDeals = false

func shareable(string, string, syscall.RawConn) error { return nil }

// bequeath sets what the connections of a listener inherit from it, which saves
// a call for each.
func bequeath(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// caller keeps nothing here.
type caller struct{}

// accept4 is not here, so this is accept(2); the lock keeps a fork from inheriting the
// descriptor before it is marked.
func (caller) accept4(fd int) (int, netip.AddrPort, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	nfd, sa, err := unix.Accept(fd)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	unix.CloseOnExec(nfd)
	if err := unix.SetNonblock(nfd, true); err != nil {
		_ = unix.Close(nfd)
		return -1, netip.AddrPort{}, err
	}
	return nfd, accept.AddrPort(sa), nil
}
