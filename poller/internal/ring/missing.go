//go:build linux

package ring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrUnsupported is wrapped by errors that say what this kernel, or what
// confines this process, lacks.
var ErrUnsupported = errors.New("io_uring is not available")

// switchPath is where an administrator turns io_uring off, since Linux 6.6.
const switchPath = "/proc/sys/kernel/io_uring_disabled"

func setupError(errno syscall.Errno) error {
	switch errno {
	case unix.ENOSYS:
		return fmt.Errorf("%w: the kernel has none, or a seccomp filter hides it (io_uring_setup: %w)", ErrUnsupported, errno)
	case unix.EPERM, unix.EACCES:
		return fmt.Errorf("%w: %s (io_uring_setup: %w)", ErrUnsupported, forbidden(), errno)
	case unix.EINVAL:
		return fmt.Errorf("%w: Linux 6.1 or newer is needed, this is %s (io_uring_setup: %w)", ErrUnsupported, release(), errno)
	case unix.ENOMEM:
		return fmt.Errorf("io_uring_setup: %w (perhaps RLIMIT_MEMLOCK, against which newer kernels count rings)", errno)
	}
	return os.NewSyscallError("io_uring_setup", errno)
}

func forbidden() string {
	switch state, _ := os.ReadFile(switchPath); strings.TrimSpace(string(state)) {
	case "1":
		return "the sysctl kernel.io_uring_disabled is 1 and this process is not of kernel.io_uring_group"
	case "2":
		return "the sysctl kernel.io_uring_disabled is 2"
	}
	return "a seccomp filter or a security module forbids it"
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "older"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// Missing says why a ring cannot be had here, by opening one and trying it; nil
// if it can. Whatever is short for the moment, as descriptors may be, is not
// missing.
func Missing() error {
	r, err := Open(1, 2)
	if err != nil {
		return unsupported(err)
	}
	defer r.Close()
	if err := r.lacks(); err != nil {
		return err
	}
	if _, err := r.Provide(0, 1, os.Getpagesize()); errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: Linux %s has no rings of provided buffers (%w)", ErrUnsupported, release(), err)
	}
	return unsupported(r.hidesShortSends())
}

// hidesShortSends tries what SQE.Send relies on and no manual promises: that a
// send which takes only a part says so, though success is silent.
func (r *Ring) hidesShortSends() error {
	runtime.LockOSThread() // makes it the ring's
	defer runtime.UnlockOSThread()
	if err := r.Start(); err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	much := make([]byte, 1<<20) // no socket holds so much by default
	for _, want := range []string{"a part", "nothing"} {
		r.Next().Send(int32(pair[0]), much)
		r.Submit()
		done := r.Reap(nil)
		if len(done) != 1 || int(done[0].Res) >= len(much) || done[0].Res > 0 != (want == "a part") {
			return fmt.Errorf("%w: on Linux %s a send that took %s completed with %v", ErrUnsupported, release(), want, done)
		}
	}
	return nil
}

// unsupported is err if it is of that kind.
func unsupported(err error) error {
	if errors.Is(err, ErrUnsupported) {
		return err
	}
	return nil
}

// probe is struct io_uring_probe.
type probe struct {
	last, ops uint8
	_         [14]byte
	op        [64]struct {
		code, _ uint8
		flags   uint16
		_       uint32
	}
}

// lacks asks for each operation that is used here.
func (r *Ring) lacks() error {
	var p probe
	if err := r.register(registerProbe, unsafe.Pointer(&p), uintptr(len(p.op))); err != nil {
		return fmt.Errorf("%w: its operations cannot be asked for (%w)", ErrUnsupported, err)
	}
	const supported = 1
	for _, op := range []struct {
		code uint8
		name string
	}{{opSend, "send"}, {opRecv, "recv"}, {opPollAdd, "poll"}, {opCancel, "cancel"}} {
		if p.op[op.code].flags&supported == 0 {
			return fmt.Errorf("%w: Linux %s lacks the operation %q", ErrUnsupported, release(), op.name)
		}
	}
	return nil
}
