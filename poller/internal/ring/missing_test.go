//go:build linux

package ring

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestSetupErrorsSayWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		errno       syscall.Errno
		unsupported bool
		says        string
	}{
		{unix.ENOSYS, true, "the kernel has none"},
		{unix.EPERM, true, "forbid"},
		{unix.EACCES, true, "forbid"},
		{unix.EINVAL, true, "Linux 6.1 or newer is needed, this is " + release()},
		{unix.EMFILE, false, "too many open files"},
		{unix.ENOMEM, false, "RLIMIT_MEMLOCK"},
	} {
		err := setupError(c.errno)
		if errors.Is(err, ErrUnsupported) != c.unsupported || !errors.Is(err, c.errno) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.errno, err)
		}
		if !strings.Contains(err.Error(), "io_uring_setup") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %q is not one line that names the call", c.errno, err)
		}
	}
}

func TestNothingIsMissingHere(t *testing.T) {
	if err := Missing(); err != nil {
		t.Fatal(err) // the other tests need io_uring
	}
}

const childVar = "OORT_RING_REFUSES"

// A process whose seccomp filter refuses io_uring_setup, as containers do, is
// told so.
func TestRefusedByFilter(t *testing.T) {
	if s := os.Getenv(childVar); s != "" {
		errno, _ := strconv.Atoi(s)
		refuse(t, syscall.Errno(errno))
		return
	}
	for _, errno := range []syscall.Errno{unix.EPERM, unix.ENOSYS, unix.EMFILE} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestRefusedByFilter$", "-test.v")
		cmd.Env = append(os.Environ(), childVar+"="+strconv.Itoa(int(errno)))
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v: %v\n%s", errno, err, out)
		}
	}
}

func refuse(t *testing.T, errno syscall.Errno) {
	const number = 0 // of the call, in struct seccomp_data
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	runtime.LockOSThread() // no_new_privs is the thread's until it is shared with the others
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog))); e != 0 {
		t.Fatal(e)
	}
	_, err := Open(1, 2)
	if !errors.Is(err, errno) {
		t.Errorf("Open: %v", err)
	}
	lacking := errno != unix.EMFILE
	if err := Missing(); errors.Is(err, ErrUnsupported) != lacking || (err == nil) == lacking {
		t.Errorf("Missing: %v", err)
	}
}
