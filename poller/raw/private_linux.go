package raw

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

func (how Options) check() error { return nil }

// startPrivate runs each loop on a thread that has left the process's table of
// descriptors for a copy of its own (unshare(2), CLONE_FILES), in which there
// is place for RLIMIT_NOFILE links.
//
// In that table a number means what it meant when the copy was made, or else
// something of the loop's own. So
//
//   - What is to be reached from several tables is open, at its number, before
//     the first copy: the loops' eventfds, by which they wake each other, and
//     the runtime's own epoll and eventfd, as any thread may be asked to poll
//     the network, at the end of a collection for example.
//   - The copies of sockets and pipes are closed at once: a connection that the
//     process closes later would otherwise stay open, its peer not told.
//   - The loops call no package that has descriptors: os and net would take
//     their number for one of the loop's links. Handlers must not either, in
//     callbacks; standard error is there, at 2. Nor may a callback Post to a loop
//     of another engine, which rings an eventfd.
//   - A thread is never unlocked. It ends with its loop, and its table with it.
func (e *engine) startPrivate() error {
	if err := startRuntimePoller(); err != nil {
		return err
	}
	made, begin, gone := make(chan error), make(chan bool), make(chan bool)
	var err error
	started := 0
	for _, l := range e.Own {
		go onOwnThread(func() { l.runPrivate(made, begin, gone) })
		started++
		if err = <-made; err != nil {
			break
		}
	}
	if err == nil {
		e.leave()
	}
	for range started {
		begin <- err == nil
	}
	if err != nil {
		for range started {
			<-gone
		}
	}
	return err
}

// startRuntimePoller has the runtime open its epoll and eventfd, unless it has:
// it does so for the first descriptor that a goroutine could wait for.
func startRuntimePoller() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	return errors.Join(r.Close(), w.Close())
}

// onOwnThread runs f on a thread that ends with it.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	// The first thread of a process never ends. While it is held here, another
	// goroutine gets another thread.
	held := make(chan bool)
	go func() {
		runtime.LockOSThread()
		close(held)
		f()
	}()
	<-held
	runtime.UnlockOSThread()
}

func (l *loop) runPrivate(made chan<- error, begin <-chan bool, gone chan<- bool) {
	err := ownTable(l.listensOn)
	if err == nil {
		err = l.keepReserve()
	}
	made <- err
	if <-begin {
		l.run()
		return
	}
	if err == nil { // else the table may still be the process's, which abandon clears
		l.leave()
	}
	gone <- true
}

// leave closes, in the process's table, what now belongs to the loops. The
// eventfds stay until the last loop has ended.
func (e *engine) leave() {
	for _, l := range e.Own {
		l.leave()
	}
	e.AtEnd = func() {
		for _, l := range e.Own {
			_ = unix.Close(l.poll.sleeper.(*blocked).bell)
		}
	}
}

// leave closes what l listens and polls with in the table of the thread that
// calls it, and only there.
func (l *loop) leave() {
	for _, ln := range l.listeners {
		_ = unix.Close(ln.fd)
	}
	_ = unix.Close(l.poll.fd)
}

func (l *loop) listensOn(fd int) bool {
	for _, ln := range l.listeners {
		if ln.fd == fd {
			return true
		}
	}
	return false
}

// ownTable gives the calling thread a table of descriptors of its own, without
// the process's sockets and pipes but those that keep names.
func ownTable(keep func(fd int) bool) error {
	if err := leaveTable(); err != nil {
		return fmt.Errorf("poller: a private table of descriptors: %w", err)
	}
	fds, err := descriptors()
	if err != nil {
		return fmt.Errorf("poller: a private table of descriptors: %w", err)
	}
	var st unix.Stat_t
	for _, fd := range fds {
		if fd <= unix.Stderr || keep(fd) || unix.Fstat(fd, &st) != nil {
			continue
		}
		if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFSOCK || kind == unix.S_IFIFO {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// leaveTable has the calling thread go on with a copy of its table.
func leaveTable() error {
	err := unix.Unshare(unix.CLONE_FILES)
	if err == unix.EPERM && leaveByClosing() == nil {
		return nil
	}
	return os.NewSyscallError("unshare", err)
}

// leaveByClosing is for containers, whose filters of system calls refuse every
// unshare(2) for the sake of name spaces, but not close_range(2), which can do
// the same on the way to closing; here nothing, as no number is that high.
func leaveByClosing() error {
	return unix.CloseRange(math.MaxUint32, math.MaxUint32, unix.CLOSE_RANGE_UNSHARE)
}

// descriptors lists those of the calling thread.
func descriptors() (fds []int, err error) {
	const where = "/proc/thread-self/fd"
	dir, err := unix.Open(where, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: where, Err: err}
	}
	defer unix.Close(dir)
	for buf := make([]byte, 8<<10); ; {
		n, err := unix.ReadDirent(dir, buf)
		if err != nil {
			return nil, &os.PathError{Op: "readdir", Path: where, Err: err}
		}
		if n == 0 {
			return fds, nil
		}
		var names []string
		_, _, names = unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if fd, err := strconv.Atoi(name); err == nil && fd != dir {
				fds = append(fds, fd)
			}
		}
	}
}
