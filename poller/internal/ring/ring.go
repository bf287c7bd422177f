//go:build linux

// Package ring is the part of io_uring that the engine uring needs: one
// submission and one completion queue for one thread, and buffers that the
// kernel takes by itself.
//
// # Why not a library
//
// giouring, the one Go library for io_uring that was read for this, has no
// release and is of August 2023. It is liburing line by line, allocates in
// places of the hot path, stores a buffer ring's 16-bit tail by a 32-bit write
// over its neighbour, and knows nothing of what the kernel learned since. What
// is needed is three system calls and two shared arrays, which are here.
//
// # Memory that the kernel reads and writes
//
// The queues and the provided buffers are mappings of their own, outside Go's
// heap, so the collector neither moves nor frees them. What an entry points to
// besides is the caller's: it must lie on the heap (a stack may move) and stay
// referenced until the kernel has done with it, which for a send that does not
// wait is the return of Submit.
//
// # Whose it is
//
// A ring is set up for a single thread (IORING_SETUP_SINGLE_ISSUER), which lets
// the kernel keep what completes for the moment that this thread asks
// (IORING_SETUP_DEFER_TASKRUN): no interrupt, no work on other threads. The
// thread is the one that calls Start; its goroutine must be locked to it.
package ring

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is a pair of queues. All methods but Open and Close belong to the thread
// that called Start.
type Ring struct {
	// immutable after Open
	fd       int
	mappings [][]byte

	// the submission queue: shared with the kernel but for next
	sqHead  *uint32 // moved by the kernel
	sqTail  *uint32
	sqFlags *uint32
	sqes    []SQE
	next    uint32 // where the next entry goes; beyond sqTail lies what was not submitted

	// the completion queue: shared with the kernel
	cqHead *uint32
	cqTail *uint32 // moved by the kernel
	cqes   []CQE

	// arguments of io_uring_enter; fields, as the kernel is given their address
	span timespec
	arg  eventsArg
}

// timespec is struct __kernel_timespec.
type timespec struct{ sec, nsec int64 }

// eventsArg is struct io_uring_getevents_arg.
type eventsArg struct {
	sigmask     uint64
	sigmaskSize uint32
	_           uint32
	span        uint64
}

// Open sets up a ring for entries submissions at a time, a power of two, and
// completions before the kernel has to put some aside. It holds one descriptor.
// An error that wraps ErrUnsupported says what the kernel lacks.
func Open(entries, completions uint32) (*Ring, error) {
	p := params{flags: setupFlags, cqEntries: completions}
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, setupError(errno)
	}
	r := &Ring{fd: int(fd)}
	if err := r.mapQueues(&p); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Ring) mapQueues(p *params) error {
	queues, err := r.mmap(offQueues, max(
		int(p.sqOff.array+p.sqEntries*4),
		int(p.cqOff.cqes+p.cqEntries*uint32(unsafe.Sizeof(CQE{})))))
	if err != nil {
		return err
	}
	entries, err := r.mmap(offEntries, int(p.sqEntries)*int(unsafe.Sizeof(SQE{})))
	if err != nil {
		return err
	}
	r.sqHead, r.sqTail, r.sqFlags = word(queues, p.sqOff.head), word(queues, p.sqOff.tail), word(queues, p.sqOff.flags)
	r.cqHead, r.cqTail = word(queues, p.cqOff.head), word(queues, p.cqOff.tail)
	r.sqes = unsafe.Slice((*SQE)(unsafe.Pointer(&entries[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*CQE)(unsafe.Pointer(&queues[p.cqOff.cqes])), p.cqEntries)
	for i := range p.sqEntries { // entries are submitted in their own order
		*word(queues, p.sqOff.array+4*i) = i
	}
	return nil
}

func (r *Ring) mmap(offset int64, size int) ([]byte, error) {
	b, err := unix.Mmap(r.fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	r.mappings = append(r.mappings, b)
	return b, nil
}

func word(b []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }

// Start makes the calling thread the ring's.
func (r *Ring) Start() error {
	return r.register(registerEnable, nil, 0)
}

func (r *Ring) register(op uintptr, arg unsafe.Pointer, n uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), op, uintptr(arg), n, 0, 0)
	runtime.KeepAlive(arg)
	if errno != 0 {
		return os.NewSyscallError("io_uring_register", errno)
	}
	return nil
}

// Close gives everything back. Requests that are under way are cancelled, but
// the kernel takes its time: who cares cancels them before.
func (r *Ring) Close() {
	_ = unix.Close(r.fd)
	for _, m := range r.mappings {
		_ = unix.Munmap(m)
	}
	r.mappings = nil
}

// Room is how many entries Next will give before the queue is full.
func (r *Ring) Room() int {
	return len(r.sqes) - int(r.next-atomic.LoadUint32(r.sqHead))
}

// Next returns an entry to be filled in, cleared. There must be Room.
func (r *Ring) Next() *SQE {
	e := &r.sqes[r.next&uint32(len(r.sqes)-1)]
	r.next++
	*e = SQE{}
	return e
}

// publish lets the kernel see all entries and says how many it has not taken.
func (r *Ring) publish() uint32 {
	atomic.StoreUint32(r.sqTail, r.next)
	return r.next - atomic.LoadUint32(r.sqHead)
}

// Submit hands the entries to the kernel, which carries out at once what needs
// not wait. Completions of earlier requests stay where they are. It goes on
// until the kernel has taken every entry, which it refuses only while it is out
// of memory.
//
// The runtime is not told of the call, lest it give the loop's processor to
// others in the middle of a flush. Nor can it stop the thread meanwhile, to
// begin a collection, so entries should not be too many: 128 sends take 0.6 ms.
func (r *Ring) Submit() {
	for left := r.publish(); left > 0; left = r.publish() {
		if _, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(left), 0, 0, 0, 0); errno != 0 {
			runtime.Gosched()
		}
	}
}

// Take submits and has what completed put into the queue. It does not wait,
// and does nothing if there is nothing to do.
func (r *Ring) Take() {
	left := r.publish()
	if left > 0 || atomic.LoadUint32(r.sqFlags)&(sqTaskrun|sqOverflow) != 0 {
		_, _, _ = unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(left), 0, enterGetEvents, 0, 0)
	}
}

// Overflowed says that completions wait outside the full queue; Take moves them.
func (r *Ring) Overflowed() bool { return atomic.LoadUint32(r.sqFlags)&sqOverflow != 0 }

// Wait is Take that waits until something completes, for d at most and for
// ever if d is negative. It may return early.
func (r *Ring) Wait(d time.Duration) {
	r.arg = eventsArg{}
	if d >= 0 {
		r.span = timespec{int64(d / time.Second), int64(d % time.Second)}
		r.arg.span = uint64(uintptr(unsafe.Pointer(&r.span)))
	}
	_, _, _ = unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.publish()), 1,
		enterGetEvents|enterExtArg, uintptr(unsafe.Pointer(&r.arg)), unsafe.Sizeof(r.arg))
}

// Reap moves the completions that are in the queue to the end of to.
func (r *Ring) Reap(to []CQE) []CQE {
	head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
	for ; head != tail; head++ {
		to = append(to, r.cqes[head&uint32(len(r.cqes)-1)])
	}
	atomic.StoreUint32(r.cqHead, head)
	return to
}
