//go:build !linux

package swarm

import (
	"net/netip"
	"syscall"
	"time"
)

// A swarm needs descriptor tables of threads, which only Linux has: Open
// refuses here, and nothing below is reached. It lets the rest compile.
const supported = false

type (
	poll      struct{}
	happening uint32
)

func (happening) readable() bool { return false }
func (happening) writable() bool { return false }
func (happening) ending() bool   { return false }
func (happening) broken() bool   { return false }

func openPoll() (*poll, error)                              { return nil, syscall.ENOSYS }
func (*poll) close()                                        {}
func (*poll) ring()                                         {}
func (*poll) wait(time.Duration) int                        { return 0 }
func (*poll) event(int) (int, uint32, happening, bool)      { return 0, 0, 0, false }
func (*poll) add(int, uint32) error                         { return syscall.ENOSYS }
func part() error                                           { return syscall.ENOSYS }
func descriptors() (int, error)                             { return 0, syscall.ENOSYS }
func connect(netip.Addr, netip.AddrPort, bool) (int, error) { return -1, syscall.ENOSYS }
func connected(int) error                                   { return syscall.ENOSYS }
func hangUp(int, bool)                                      {}
func recv(int, []byte) (int, syscall.Errno)                 { return 0, syscall.ENOSYS }
func send(int, []byte) (int, syscall.Errno)                 { return 0, syscall.ENOSYS }
