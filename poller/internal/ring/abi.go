//go:build linux

package ring

import "golang.org/x/sys/unix"

// From <linux/io_uring.h>.
const (
	setupCQSize       = 1 << 3
	setupDisabled     = 1 << 6
	setupSubmitAll    = 1 << 7
	setupTaskrunFlag  = 1 << 9
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13

	// A failed entry does not stop those behind it; the thread that will own
	// the ring is not the one that opens it.
	setupFlags = setupCQSize | setupDisabled | setupSubmitAll | setupTaskrunFlag |
		setupSingleIssuer | setupDeferTaskrun

	offQueues  = 0
	offEntries = 0x10000000

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3

	sqOverflow = 1 << 1
	sqTaskrun  = 1 << 2

	registerProbe      = 8
	registerEnable     = 12
	registerBufferRing = 22

	opPollAdd = 6
	opCancel  = 14
	opSend    = 26
	opRecv    = 27

	sqeBufferSelect = 1 << 5
	sqeSkipSuccess  = 1 << 6

	cqeBuffer = 1 << 0
	cqeMore   = 1 << 1

	recvMultishot = 1 << 1 // in ioprio
	pollMulti     = 1 << 0 // in len

	sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL | unix.MSG_WAITALL
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries uint32
	flags                uint32
	sqThreadCPU          uint32
	sqThreadIdle         uint32
	features             uint32
	wqFD                 uint32
	_                    [3]uint32
	sqOff                sqOffsets
	cqOff                cqOffsets
}

// sqOffsets is struct io_sqring_offsets.
type sqOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
	_                                                           uint64
}

// cqOffsets is struct io_cqring_offsets.
type cqOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
	_                                                           uint64
}
