//go:build darwin || freebsd

package raw

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	engineName = "kqueue"
	batch      = 256 // events taken at once
	noSlot     = ^uint32(0)
	wakeIdent  = 0 // ident of the EVFILT_USER event, which has a name space of its own
)

// poll waits for events of one loop, by kqueue.
//
// A loop asleep blocks a thread here: a kqueue cannot be registered with the
// runtime's poller, which asks for EVFILT_WRITE of everything.
type poll struct {
	// immutable
	fd int

	// guards fd against a wake that comes when the loop has ended
	mu     sync.RWMutex
	closed bool // guarded by mu

	// owned by the loop
	n      int
	events [batch]unix.Kevent_t
	names  []name // by descriptor: kqueue's own udata must be a pointer in Go
}

// name is what change was told of a descriptor.
type name struct{ slot, gen uint32 }

func openPoll(Options) (*poll, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	p := &poll{fd: fd}
	if err := p.submit(wakeIdent, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR, 0); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return p, nil
}

// wait returns the number of events, which event then tells. If there is none
// it sleeps for d, for ever if d is negative, until wake; before it sleeps it
// asks ready, and does not if that says no.
func (p *poll) wait(d time.Duration, ready func() bool) int {
	if p.take(&unix.Timespec{}) != 0 || d == 0 || !ready() {
		return p.n
	}
	if d < 0 {
		return p.take(nil)
	}
	ts := unix.NsecToTimespec(int64(d))
	return p.take(&ts)
}

func (p *poll) take(timeout *unix.Timespec) int {
	n, err := unix.Kevent(p.fd, nil, p.events[:], timeout)
	if err != nil { // EINTR
		n = 0
	}
	p.n = n
	return n
}

// wake ends a sleep.
func (p *poll) wake() {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !p.closed {
		_ = p.submit(wakeIdent, unix.EVFILT_USER, 0, unix.NOTE_TRIGGER)
	}
}

func (p *poll) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	_ = unix.Close(p.fd)
}

// ready is what the kernel says of one descriptor.
type ready uint8

const (
	in ready = 1 << iota
	out
	eof
)

func (r ready) readable() bool { return r&in != 0 }
func (r ready) writable() bool { return r&out != 0 }
func (r ready) hangup() bool   { return r&eof != 0 }

// event returns the i-th event: a slot and generation as given to change. The
// end of a wake is an event of no slot.
func (p *poll) event(i int) (slot, gen uint32, r ready) {
	e := &p.events[i]
	if e.Filter == unix.EVFILT_USER {
		return noSlot, listenerGen, 0
	}
	of := p.names[e.Ident]
	switch e.Filter {
	case unix.EVFILT_READ:
		r = in
	case unix.EVFILT_WRITE:
		r = out
	}
	if e.Flags&unix.EV_EOF != 0 {
		r |= eof
	}
	return of.slot, of.gen, r
}

// change makes the kernel report want instead of have; what it then reports
// carries slot and gen.
func (p *poll) change(fd int, slot, gen uint32, have, want flag) error {
	for fd >= len(p.names) {
		p.names = append(p.names, name{slot: noSlot})
	}
	p.names[fd] = name{slot, gen}
	return errors.Join(
		p.filter(fd, unix.EVFILT_READ, have.has(armedIn), want.has(armedIn)),
		p.filter(fd, unix.EVFILT_WRITE, have.has(armedOut), want.has(armedOut)))
}

func (p *poll) filter(fd, filter int, have, want bool) error {
	switch {
	case want && !have:
		return p.submit(fd, filter, unix.EV_ADD, 0)
	case have && !want:
		return p.submit(fd, filter, unix.EV_DELETE, 0)
	}
	return nil
}

func (p *poll) submit(ident, filter, flags int, fflags uint32) error {
	var e unix.Kevent_t
	unix.SetKevent(&e, ident, filter, flags)
	e.Fflags = fflags
	_, err := unix.Kevent(p.fd, []unix.Kevent_t{e}, nil, nil)
	if errors.Is(err, syscall.EINTR) {
		return nil // the change was made: kevent(2) of FreeBSD
	}
	return os.NewSyscallError("kevent", err)
}

// forget drops the name of a descriptor that is about to be closed, which
// itself takes its filters out.
func (p *poll) forget(fd int) {
	if fd < len(p.names) {
		p.names[fd] = name{slot: noSlot}
	}
}
