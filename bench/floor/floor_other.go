//go:build !linux

package floor

import (
	"errors"
	"net/netip"
	"time"
)

// ErrNotLinux: the floor is taken from what Linux tells of threads and
// descriptors.
var ErrNotLinux = errors.New("floor: measured on Linux only")

// Socket is a connected TCP socket.
type Socket struct {
	FD    int
	Local netip.AddrPort
	Inode uint64
}

// Sockets are known on Linux only.
func Sockets() ([]Socket, error) { return nil, ErrNotLinux }

// Measure works on Linux only.
func Measure(func()) (time.Duration, error) { return 0, ErrNotLinux }

// Send works on Linux only.
func Send([]int, []byte) (sent, short int) { return 0, 0 }

// Door is a server of bare system calls.
type Door struct{}

// Entered is what a Door did.
type Entered struct {
	Links int
	CPU   time.Duration
}

// OpenDoor works on Linux only.
func OpenDoor([]byte) (*Door, error) { return nil, ErrNotLinux }

// Addr is nowhere.
func (*Door) Addr() netip.AddrPort { return netip.AddrPort{} }

// Close works on Linux only.
func (*Door) Close() (Entered, error) { return Entered{}, ErrNotLinux }
