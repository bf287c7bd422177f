//go:build linux || darwin || freebsd

package accept

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOfOneConnect(t *testing.T) {
	for err, want := range map[error]bool{
		unix.ECONNABORTED: true,
		unix.EINTR:        true,
		unix.EHOSTUNREACH: true,
		unix.EMFILE:       false,
		unix.ENFILE:       false,
		unix.ENOBUFS:      false,
		unix.ENOMEM:       false,
		unix.EINVAL:       false, // the listener is shut down
		net.ErrClosed:     false,
		&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", unix.EPROTO)}: true,
		&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", unix.EMFILE)}: false,
	} {
		if got := OfOneConnect(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestAddrPort(t *testing.T) {
	four := [4]byte{127, 0, 0, 2}
	for want, sa := range map[string]unix.Sockaddr{
		"127.0.0.2:7":      &unix.SockaddrInet4{Port: 7, Addr: four},
		"127.0.0.2:8":      &unix.SockaddrInet6{Port: 8, Addr: netip.AddrFrom4(four).As16()},
		"[::1]:9":          &unix.SockaddrInet6{Port: 9, Addr: netip.IPv6Loopback().As16()},
		"invalid AddrPort": &unix.SockaddrUnix{Name: "@x"},
	} {
		if got := AddrPort(sa).String(); got != want {
			t.Errorf("%v: %s, want %s", sa, got, want)
		}
	}
}

// A bare listener accepts, and a connection to one that is bound to every
// address has the address that was dialled.
func TestBare(t *testing.T) {
	for listen, dial := range map[string]string{"127.0.0.1:0": "127.0.0.1", ":0": "127.0.0.1"} {
		fd, bound, err := Bare(listen, 8, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		to := (&net.TCPAddr{IP: net.ParseIP(dial), Port: bound.Port}).String()
		c, err := net.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000); n != 1 {
			t.Fatalf("no connect came: %v", err)
		}
		conn, peer, err := unix.Accept(fd)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(conn)
		if got := LocalOf(bound).Of(conn).String(); got != to {
			t.Errorf("listening on %q: local address %s, dialled %s", listen, got, to)
		}
		if got := AddrPort(peer).String(); got != c.LocalAddr().String() {
			t.Errorf("remote address %s, want %s", got, c.LocalAddr())
		}
	}
}

func TestEnds(t *testing.T) {
	ln, err := Listen("127.0.0.1:0", 8)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := Connection(ln)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if local, remote := Ends(s); local.String() != ln.Addr().String() || remote.String() != c.LocalAddr().String() {
		t.Errorf("ends %s and %s, want %s and %s", local, remote, ln.Addr(), c.LocalAddr())
	}
}

// An address that cannot be had leaves no descriptor open.
func TestFailureLeavesNothingOpen(t *testing.T) {
	taken, err := TCP("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before := descriptors(t)
	for range 20 {
		if fd, _, err := Bare(taken.Addr().String(), 8, nil); err == nil {
			t.Fatalf("descriptor %d listens on an address that is taken", fd)
		}
		refuse := func(string, string, syscall.RawConn) error { return unix.EPERM }
		if _, err := TCP("127.0.0.1:0", refuse); err == nil {
			t.Fatal("control's error was ignored")
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
