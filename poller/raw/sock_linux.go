package raw

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller/internal/accept"
)

// kernelDeals: with SO_REUSEPORT the kernel deals connects between the loops.
const kernelDeals = true

func shareable(_, _ string, c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); e != nil {
		return e
	}
	return err
}

// bequeath sets what the connections of a listener inherit from it, which saves
// a call for each: no delay, and an acknowledgement of what comes that waits for
// our answer to go with it (at most 40 ms), as Linux does by itself once a
// connection has answered a few times.
func bequeath(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
}

// caller is where the kernel writes who connects, kept by the loop to be used
// again: unix.Accept4 allocates it, and what it makes of it, for each connect.
type caller struct {
	addr unix.RawSockaddrAny
	size uint32
}

// accept4 accepts from fd, which does not block.
func (c *caller) accept4(fd int) (int, netip.AddrPort, error) {
	c.size = unix.SizeofSockaddrAny
	conn, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&c.addr)),
		uintptr(unsafe.Pointer(&c.size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return int(conn), c.addrPort(), nil
}

func (c *caller) addrPort() netip.AddrPort {
	switch c.addr.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&c.addr))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), port(&a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(&c.addr))
		return accept.Plain(netip.AddrPortFrom(netip.AddrFrom16(a.Addr), port(&a.Port)))
	}
	return netip.AddrPort{}
}

// port is in the network's order.
func port(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }
