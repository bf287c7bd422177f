package floor

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Door lets links in by bare system calls: accept4(2), epoll_ctl(2), one
// recv(2) of what the client says first, one send(2) of a given answer. It is
// what lies under every server that authenticates links.
type Door struct {
	addr    netip.AddrPort
	wake    int // an eventfd that ends the loop
	answers chan doorEnd
}

type doorEnd struct {
	sum Entered
	err error
}

// Entered is what a Door did.
type Entered struct {
	Links int           // that were answered
	CPU   time.Duration // of the door's thread
}

// OpenDoor listens on a port of 127.0.0.1 and answers whoever says something
// with answer, until Close.
func OpenDoor(answer []byte) (*Door, error) {
	d := &Door{answers: make(chan doorEnd, 1)}
	listener, err := d.listen()
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	if d.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(listener)
		return nil, fmt.Errorf("floor: eventfd: %w", err)
	}
	go func() {
		r := &doorLoop{listener: listener, wake: d.wake, answer: answer, buf: make([]byte, 4096)}
		var e doorEnd
		var err error
		e.sum.CPU, err = Measure(func() { e.err = r.run() })
		e.sum.Links, e.err = r.answered, errors.Join(e.err, err)
		r.close()
		d.answers <- e
	}()
	return d, nil
}

func (d *Door) listen() (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // which links inherit
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err == nil {
		err = unix.Listen(fd, 4096)
	}
	var at unix.Sockaddr
	if err == nil {
		at, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen: %w", err)
	}
	own := at.(*unix.SockaddrInet4) // of an AF_INET socket
	d.addr = netip.AddrPortFrom(netip.AddrFrom4(own.Addr), uint16(own.Port))
	return fd, nil
}

// Addr is where it listens.
func (d *Door) Addr() netip.AddrPort { return d.addr }

// Close closes the door and its links, and says what it did.
func (d *Door) Close() (Entered, error) {
	one := [8]byte{0: 1}
	if _, err := unix.Write(d.wake, one[:]); err != nil {
		return Entered{}, fmt.Errorf("floor: eventfd: %w", err)
	}
	e := <-d.answers
	unix.Close(d.wake)
	return e.sum, e.err
}

// doorLoop is the reactor of a Door; all of it belongs to its goroutine.
type doorLoop struct {
	listener, wake, epoll int
	answer, buf           []byte
	links                 []int
	answered              int
}

func (l *doorLoop) run() (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("floor: epoll_create1: %w", err)
	}
	for _, fd := range []int{l.listener, l.wake} {
		if err := l.watch(fd); err != nil {
			return err
		}
	}
	var events [128]unix.EpollEvent
	for {
		n, err := unix.EpollWait(l.epoll, events[:], -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("floor: epoll_wait: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			switch fd := int(e.Fd); fd {
			case l.wake:
				return nil
			case l.listener:
				if err := l.accept(); err != nil {
					return err
				}
			default:
				l.serve(fd)
			}
		}
	}
}

func (l *doorLoop) watch(fd int) error {
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("floor: epoll_ctl: %w", err)
	}
	return nil
}

func (l *doorLoop) accept() error {
	for {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("floor: accept4: %w", err)
		}
		l.links = append(l.links, fd)
		l.serve(fd) // its first words may be here already
		if err := l.watch(fd); err != nil {
			return err
		}
	}
}

// serve answers a link, or forgets it if it is over; its descriptor stays until
// the end, so that its number means nobody else.
func (l *doorLoop) serve(fd int) {
	n, err := unix.Read(fd, l.buf)
	if n > 0 {
		if sent, _ := Send([]int{fd}, l.answer); sent == 1 {
			l.answered++
			return
		}
	}
	if n <= 0 && errors.Is(err, unix.EAGAIN) {
		return
	}
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil) // it is there
}

func (l *doorLoop) close() {
	for _, fd := range l.links {
		unix.Close(fd)
	}
	unix.Close(l.listener)
	if l.epoll > 0 {
		unix.Close(l.epoll)
	}
}
