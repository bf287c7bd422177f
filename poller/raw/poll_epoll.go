//go:build linux

package raw

import (
	"math"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	engineName = "epoll"
	batch      = 256 // events taken at once
	noSlot     = ^uint32(0)
)

// poll waits for events of one loop, by epoll.
type poll struct {
	// immutable
	fd      int
	sleeper sleeper

	// owned by the loop
	n      int // events at hand
	events [batch]unix.EpollEvent
}

// sleeper is a way to wait for a poll that has no event now.
type sleeper interface {
	// sleep takes events, of which it waits for the first: for d, or for ever
	// if d is negative. Before it sleeps it asks ready, and does not if that
	// says no.
	sleep(d time.Duration, ready func() bool)
	// wake ends a sleep, or keeps the loop from the one that it has declared to
	// ready. One that comes late costs the loop a turn. Safe from anywhere.
	wake()
	// close releases what the sleeper holds, and fd.
	close()
}

func openPoll(how Options) (*poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	p := &poll{fd: fd}
	if how.blocks() {
		p.sleeper, err = openBlocked(p)
	} else {
		p.sleeper, err = openParked(p)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// wait returns the number of events, which event then tells. If there is none
// it sleeps for d at most, for ever if d is negative.
func (p *poll) wait(d time.Duration, ready func() bool) int {
	if p.take() == 0 && d != 0 {
		p.sleeper.sleep(d, ready)
	}
	return p.n
}

func (p *poll) wake()  { p.sleeper.wake() }
func (p *poll) close() { p.sleeper.close() }

// take asks the kernel for events without waiting.
func (p *poll) take() int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), batch, 0, 0, 0)
	p.n = int(n)
	if errno != 0 {
		p.n = 0
	}
	return p.n
}

// ready is what the kernel says of one descriptor.
type ready uint32

// An error or a hangup is both: reading and writing will tell what it is.
func (r ready) readable() bool { return r&^unix.EPOLLOUT != 0 }
func (r ready) writable() bool { return r&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 }
func (r ready) hangup() bool {
	return r&(unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0
}

// event returns the i-th event: a slot and generation as given to change.
func (p *poll) event(i int) (slot, gen uint32, r ready) {
	e := &p.events[i]
	return uint32(e.Fd), uint32(e.Pad), ready(e.Events)
}

// change makes the kernel report want instead of have; what it then reports
// carries slot and gen. A descriptor of which nothing is wanted is taken out,
// as epoll would otherwise go on to report a hangup of it.
func (p *poll) change(fd int, slot, gen uint32, have, want flag) error {
	e := unix.EpollEvent{Fd: int32(slot), Pad: int32(gen)}
	if want.has(armedIn) {
		e.Events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if want.has(armedOut) {
		e.Events |= unix.EPOLLOUT
	}
	if want.has(armedEdge) {
		e.Events = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLOUT | unix.EPOLLET&math.MaxUint32
	}
	op := unix.EPOLL_CTL_MOD
	switch {
	case have == 0:
		op = unix.EPOLL_CTL_ADD
	case want == 0:
		op = unix.EPOLL_CTL_DEL
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, &e))
}

// forget is for ports that keep something a descriptor; closing does the rest.
func (p *poll) forget(int) {}
