package floor

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// Socket is a connected TCP socket in some thread's descriptor table.
type Socket struct {
	FD    int
	Local netip.AddrPort
	Inode uint64 // the same whatever table it is seen in
}

// Sockets are those in the descriptor table of this thread, which may be one of
// its own, in ascending order. It goes around package os, which has no business
// in such a table.
func Sockets() (all []Socket, err error) {
	end, err := tableSize()
	if err != nil {
		return nil, err
	}
	for fd := range end {
		if local, ok := connected(fd); ok {
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil {
				return nil, fmt.Errorf("floor: fstat: %w", err)
			}
			all = append(all, Socket{FD: fd, Local: local, Inode: st.Ino})
		}
	}
	return all, nil
}

// connected says where a socket is connected at this end; false for everything
// else that a descriptor may be.
func connected(fd int) (local netip.AddrPort, ok bool) {
	own, err := unix.Getsockname(fd)
	if err != nil {
		return local, false
	}
	if _, err := unix.Getpeername(fd); err != nil {
		return local, false
	}
	switch a := own.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), true
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)), true
	}
	return local, false
}

// tableSize is how large the thread's descriptor table has grown: FDSize of
// proc_pid_status(5).
func tableSize() (int, error) {
	fd, err := unix.Open("/proc/thread-self/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("floor: /proc/thread-self/status: %w", err)
	}
	defer unix.Close(fd)
	var buf [8 << 10]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return 0, fmt.Errorf("floor: /proc/thread-self/status: %w", err)
	}
	_, rest, _ := bytes.Cut(buf[:n], []byte("\nFDSize:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	size, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil {
		return 0, fmt.Errorf("floor: FDSize: %w", err)
	}
	return size, nil
}
