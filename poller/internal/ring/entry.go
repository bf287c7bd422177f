//go:build linux

package ring

import "unsafe"

// SQE is a submission queue entry: struct io_uring_sqe of <linux/io_uring.h>
// with the names that the few operations here give to its unions.
type SQE struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64
	addr     uint64
	size     uint32
	opFlags  uint32
	UserData uint64 // comes back in the completion
	group    uint16
	_        [22]byte
}

// CQE is a completion queue entry: struct io_uring_cqe.
type CQE struct {
	UserData uint64
	Res      int32 // what the system call would have returned, -errno if it failed
	flags    uint32
}

// More says that the request goes on: further completions will follow.
func (c CQE) More() bool { return c.flags&cqeMore != 0 }

// Buffer returns the number of the provided buffer that holds what was
// received, and whether there is one.
func (c CQE) Buffer() (number uint16, ok bool) {
	return uint16(c.flags >> 16), c.flags&cqeBuffer != 0
}

// Send makes e one try of sending b, which completes within Submit. Only what
// went wrong makes a completion: one that sent all of b makes none, one that
// sent less has its number in Res. (MSG_WAITALL makes a short send a failure,
// and MSG_DONTWAIT keeps the kernel from trying again.)
func (e *SQE) Send(fd int32, b []byte) {
	e.opcode, e.fd, e.flags = opSend, fd, sqeSkipSuccess
	e.addr, e.size = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint32(len(b))
	e.opFlags = sendFlags
}

// Receive makes e a request that goes on: whatever comes on fd is put into
// buffers of the group, a completion each, until an end, an error, or until
// there is no buffer (-ENOBUFS).
func (e *SQE) Receive(fd int32, group uint16) {
	e.opcode, e.fd, e.flags, e.ioprio, e.group = opRecv, fd, sqeBufferSelect, recvMultishot, group
}

// Poll makes e wait once for events of fd, POLLIN and the like. Res is what
// happened.
func (e *SQE) Poll(fd int32, events uint32) {
	e.opcode, e.fd, e.opFlags = opPollAdd, fd, events
}

// PollOn is Poll that goes on after each event.
func (e *SQE) PollOn(fd int32, events uint32) {
	e.Poll(fd, events)
	e.size = pollMulti
}

// Cancel makes e end the request that carries userData. That completes with
// -ECANCELED, unless it was about to complete anyhow; e itself makes a
// completion only if there is no such request.
func (e *SQE) Cancel(userData uint64) {
	e.opcode, e.fd, e.flags, e.addr = opCancel, -1, sqeSkipSuccess, userData
}
