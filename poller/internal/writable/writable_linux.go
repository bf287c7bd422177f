// Package writable tells when full sockets take bytes again, for engines over
// libraries that do not. It is an epoll of ours that reports a socket once for
// each time that it is armed, so only sockets with a short write cost anything.
package writable

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/parked"
)

// batch is how many events are taken at once.
const batch = 128

// Watch is the sockets of one loop. Open makes one.
type Watch struct{ epoll *parked.FD }

// Open returns a Watch of no sockets.
func Open() (*Watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	epoll, err := parked.New(fd, "epoll")
	if err != nil {
		return nil, err
	}
	return &Watch{epoll}, nil
}

// Arm has Run report id once, when fd takes bytes or has failed. again says
// that fd was armed before. Closing fd takes it out.
func (w *Watch) Arm(fd int, id poller.ID, again bool) error {
	e := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT, Fd: int32(id.Slot), Pad: int32(id.Gen)}
	op := unix.EPOLL_CTL_ADD
	if again {
		op = unix.EPOLL_CTL_MOD
	}
	return os.NewSyscallError("epoll_ctl", w.epoll.Do(func(epoll int) error {
		return unix.EpollCtl(epoll, op, fd, &e)
	}))
}

// Run reports until Close. A report may come late, for a link that is gone.
func (w *Watch) Run(report func(ids []poller.ID)) {
	var events [batch]unix.EpollEvent
	ids := make([]poller.ID, 0, batch)
	for {
		n := 0
		if w.epoll.Wait(func(epoll int) bool {
			n, _ = unix.EpollWait(epoll, events[:], 0)
			return n > 0
		}) != nil {
			return
		}
		ids = ids[:0]
		for _, e := range events[:n] {
			ids = append(ids, poller.ID{Slot: uint32(e.Fd), Gen: uint32(e.Pad)})
		}
		report(ids)
	}
}

// Close ends Run. It may be called before Run.
func (w *Watch) Close() { w.epoll.Close() }
