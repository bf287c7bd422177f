//go:build linux

package netpoll

import (
	"fmt"
	"io"
	"runtime"
	"sync"

	lib "github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

// library is what all engines of the process share: the library keeps its
// pollers in a package variable, starts them once and cannot stop them.
var library struct {
	mu      sync.Mutex
	started bool // guarded by mu
}

// start starts the library's pollers unless they run. It first sees to it that
// there are descriptors for them, for want of which the library would panic, now
// and at every later try.
func start() error {
	library.mu.Lock()
	defer library.mu.Unlock()
	if library.started {
		return nil
	}
	if err := spare(2 * (runtime.GOMAXPROCS(0)/20 + 1)); err != nil {
		return fmt.Errorf("poller: start netpoll: %w", err)
	}
	// Whatever it would log (resets, a detach that comes second) concerns links
	// whose end is told by OnClose.
	lib.SetLoggerOutput(io.Discard)
	lib.Initialize()
	library.started = true
	return nil
}

// spare fails if the process cannot open n more descriptors now.
func spare(n int) error {
	for range n {
		fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
	}
	return nil
}
