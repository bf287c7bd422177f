package floor

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Measure runs f on a thread of its own choice and returns the processor time
// that the thread has used for it, in nanoseconds: user, system, and what the
// kernel did for the network meanwhile.
func Measure(f func()) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadCPU()
	if err != nil {
		return 0, err
	}
	f()
	after, err := threadCPU()
	return after - before, err
}

// threadCPU reads the thread's own clock, which is exact; RUSAGE_THREAD is
// behind by up to a tick of the kernel.
func threadCPU() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("floor: CPU time of the thread: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// Send sends b to each of the sockets by one send(2), without waiting and
// without telling the scheduler, as a reactor does. short counts the calls that
// did not take all of b.
func Send(fds []int, b []byte) (sent, short int) {
	if len(b) == 0 {
		return 0, 0
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	for _, fd := range fds {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(p), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno != 0 || int(n) != len(b) {
			short++
			continue
		}
		sent++
	}
	runtime.KeepAlive(b)
	return sent, short
}
