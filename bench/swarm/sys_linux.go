package swarm

import (
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// supported says whether a swarm can run here.
const supported = true

// descriptors is how many links a loop's table takes.
func descriptors() (int, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	return int(min(lim.Cur, 1<<20)) - reserve, nil
}

// poll waits for events of one loop.
type poll struct {
	ep, bell int // epoll, and an eventfd that wakes it; opened before the loop's table parts, so both are in all tables
	events   [256]unix.EpollEvent
}

func openPoll() (*poll, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(ep)
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &poll{ep: ep, bell: bell}
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(bell)}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, bell, &e); err != nil {
		p.close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return p, nil
}

// close gives back the process's descriptors; the loop's own end with its
// thread.
func (p *poll) close() {
	_ = unix.Close(p.bell)
	_ = unix.Close(p.ep)
}

// ring wakes the loop. It may be called from anywhere.
func (p *poll) ring() {
	one := uint64(1)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(p.bell), uintptr(unsafe.Pointer(&one)), 8)
}

// wait returns how many events there are, after d at the latest; d < 0 is for
// ever. It asks without leaving the processor to other goroutines first:
// under load there is always something.
func (p *poll) wait(d time.Duration) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.ep),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno == 0 && n > 0 || d == 0 {
		return max(0, int(n))
	}
	ms := -1
	if d > 0 {
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	got, err := unix.EpollWait(p.ep, p.events[:], ms)
	if err != nil {
		return 0 // EINTR
	}
	return got
}

// happening is what the kernel says of one descriptor.
type happening uint32

func (h happening) readable() bool { return h&^unix.EPOLLOUT != 0 }
func (h happening) writable() bool { return h&unix.EPOLLOUT != 0 }
func (h happening) ending() bool {
	return h&(unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0
}
func (h happening) broken() bool { return h&(unix.EPOLLERR|unix.EPOLLHUP) != 0 }

// event returns the i-th event; false if it is the bell.
func (p *poll) event(i int) (fd int, gen uint32, h happening, ok bool) {
	e := &p.events[i]
	return int(e.Fd), uint32(e.Pad), happening(e.Events), int(e.Fd) != p.bell
}

// add watches fd, edge-triggered: one system call for a link's whole life.
func (p *poll) add(fd int, gen uint32) error {
	return unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(fd), Pad: int32(gen),
	})
}

// part gives the calling thread a descriptor table of its own and empties it
// of what the process has open but the standard streams and anonymous inodes
// (epolls, eventfds: the runtime's among them, which any thread may be asked
// to use). A copy of a socket that stayed here would keep its connection open
// after the process has closed it.
//
// The thread is locked to the goroutine and must never be unlocked: it ends
// with it, and the table with the thread.
func part() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	open, err := ownDescriptors()
	if err != nil {
		return err
	}
	for _, fd := range open {
		if fd > 2 && !strings.HasPrefix(describe(fd), "anon_inode:") {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// ownDescriptors lists the calling thread's table. It uses neither os nor the
// runtime's poller, which know only the process's table.
func ownDescriptors() (open []int, err error) {
	dir, err := unix.Open("/proc/thread-self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/proc/thread-self/fd", Err: err}
	}
	defer unix.Close(dir)
	buf := make([]byte, 8<<10)
	for {
		n, err := unix.Getdents(dir, buf)
		if n <= 0 || err != nil {
			return open, os.NewSyscallError("getdents", err)
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if fd, err := strconv.Atoi(name); err == nil && fd != dir {
				open = append(open, fd)
			}
		}
	}
}

func describe(fd int) string {
	var buf [64]byte
	n, err := unix.Readlink("/proc/thread-self/fd/"+strconv.Itoa(fd), buf[:])
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// connect begins to connect to to. from may be no address. A silent link has
// nothing to say when it is connected.
func connect(from netip.Addr, to netip.AddrPort, silent bool) (fd int, err error) {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if !silent {
		// The last segment of the handshake goes with the first words; see
		// tcp_rcv_synsent_state_process in the kernel's tcp_input.c.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1)
	}
	if from.IsValid() {
		// The port is chosen when the other end is known, so that it has to be
		// free only towards that; see ip(7).
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0)))
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr(to))
	}
	if err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// connected says how a connect ended.
func connected(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = syscall.Errno(n)
	}
	return err
}

// hangUp closes fd, by RST if reset.
func hangUp(fd int, reset bool) {
	if reset {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	_ = unix.Close(fd)
}

// recv returns how much came; 0 without an error is the peer's end.
func recv(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// send returns how much of b the socket took.
func send(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
