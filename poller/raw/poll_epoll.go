//go:build linux

package raw

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	engineName = "epoll"
	batch      = 256 // events taken at once
)

// poll waits for events of one loop, by epoll.
//
// A loop that sleeps parks its goroutine in the runtime's poller, in which the
// loop's own epoll descriptor is registered, and keeps no thread. On two busy
// cores, waking a loop by a byte on a socket and hearing from it takes
//
//	                              as fast as it goes         500 times a second
//	parked                         8 µs of CPU, 110,000/s     90 µs of CPU
//	locked thread in epoll_wait   25 µs of CPU,  15,000/s    120 µs of CPU
//
// where the slow figures include the timer that paces them.
//
//	go test -run xxx -bench Sleep ./poller/raw
type poll struct {
	// immutable
	fd   int
	file *os.File        // fd as the runtime's poller knows it; owns it
	conn syscall.RawConn // of file
	try  func(uintptr) bool

	// owned by the loop
	n      int  // events at hand
	timed  bool // file has, or had, a read deadline
	events [batch]unix.EpollEvent
}

func openPoll() (*poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // makes NewFile register it
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poll{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	p.try = func(uintptr) bool { return p.take() != 0 }
	if p.conn, err = p.file.SyscallConn(); err != nil {
		_ = p.file.Close()
		return nil, err
	}
	return p, p.file.SetReadDeadline(time.Time{}) // fails unless it was registered
}

// wait returns the number of events, which event then tells. If there is none
// it sleeps for d, for ever if d is negative, until wake; before it sleeps it
// asks ready, and does not if that says no.
func (p *poll) wait(d time.Duration, ready func() bool) int {
	if p.take() != 0 || d == 0 {
		return max(p.n, 0)
	}
	p.deadline(d)
	if !ready() {
		return 0
	}
	p.n = 0
	if p.conn.Read(p.try) != nil { // the deadline, or a wake, which left one
		p.timed = true
	}
	return max(p.n, 0)
}

// deadline must be set before the loop declares that it sleeps, lest it undo
// a wake.
func (p *poll) deadline(d time.Duration) {
	switch {
	case d > 0:
		_ = p.file.SetReadDeadline(time.Now().Add(d))
		p.timed = true
	case p.timed:
		_ = p.file.SetReadDeadline(time.Time{})
		p.timed = false
	}
}

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

// wake ends a sleep. It needs no eventfd: a loop asleep is a goroutine with a
// deadline, and one that is past makes it run, without a system call. A wake
// and the answer take 1 µs of CPU; by an eventfd in the epoll set they take
// 4 (go test -run xxx -bench Wake ./poller/raw). A wake that comes late, for
// a loop that has woken by itself, costs it one turn.
func (p *poll) wake() { _ = p.file.SetReadDeadline(time.Unix(0, 1)) }

func (p *poll) close() { _ = p.file.Close() }

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
