package raw

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller/internal/accept"
)

// kernelDeals: SO_REUSEPORT alone gives all connects to one socket; with _LB
// the kernel deals them between the loops. See setsockopt(2).
const kernelDeals = true

func shareable(_, _ string, c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT_LB, 1)
	}); e != nil {
		return e
	}
	return err
}

// bequeath sets what the connections of a listener inherit from it, which saves
// a call for each.
func bequeath(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// caller keeps nothing here.
type caller struct{}

func (caller) accept4(fd int) (int, netip.AddrPort, error) {
	conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	return conn, accept.AddrPort(sa), nil
}
