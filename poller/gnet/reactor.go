//go:build linux

package gnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"

	lib "github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// reactor is the loop as gnet calls it, on the goroutine of the loop.
type reactor struct {
	lib.BuiltinEventEngine
	loop *loop
}

func (r *reactor) OnOpen(c lib.Conn) ([]byte, lib.Action) {
	switch as := c.Context().(type) {
	case *arrival:
		return nil, r.loop.open(c, as)
	case *bell:
		as.events = c.EventLoop()
	}
	return nil, lib.None
}

// OnTraffic takes all that gnet has read, so that gnet keeps none of it.
func (r *reactor) OnTraffic(c lib.Conn) lib.Action {
	in, err := c.Next(-1)
	if err != nil {
		return lib.None // never, as it asks for what there is
	}
	switch as := c.Context().(type) {
	case *link:
		r.loop.received(as, in)
	case *bell:
		r.loop.rang()
	}
	return lib.None
}

// OnClose comes before gnet closes the descriptor, also when the loop itself
// has asked for it.
func (r *reactor) OnClose(c lib.Conn, err error) lib.Action {
	if k, ok := c.Context().(*link); ok && k.Own.lib != nil {
		k.Own.lib = nil
		r.loop.lost(k, err)
	}
	return lib.None
}

// newClient starts a gnet of one event loop for l. Its read buffer is no larger
// than what may be delivered at a time (gnet takes a power of two from 1 KiB).
func newClient(l *loop) (*lib.Client, error) {
	c, err := lib.NewClient(&reactor{loop: l},
		lib.WithNumEventLoop(1),
		lib.WithReadBufferCap(min(l.engine.Options.MaxRest, readSize)),
		lib.WithLogger(silence{}))
	if err != nil {
		return nil, err
	}
	return c, c.Start() // which closes what it opened if it fails
}

// pair is two connected sockets: one as gnet enrolls it, the other bare.
func pair() (net.Conn, int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, os.NewSyscallError("socketpair", err)
	}
	file := os.NewFile(uintptr(fds[0]), "bell")
	defer file.Close()
	conn, err := net.FileConn(file) // a duplicate
	if err != nil {
		_ = unix.Close(fds[1])
		return nil, -1, err
	}
	return conn, fds[1], nil
}

// errNoEpoll means that this version of gnet is built in another way than the
// one that this package was written for.
var errNoEpoll = errors.New("poller: gnet's event loop has no epoll descriptor where it is looked for")

// epollOf finds the epoll descriptor of a gnet loop; see "Pausing" in the
// package comment.
func epollOf(events lib.EventLoop) (int, error) {
	v := reflect.ValueOf(events)
	for _, field := range []string{"poller", "fd"} {
		if v = reflect.Indirect(v); v.Kind() != reflect.Struct {
			return -1, errNoEpoll
		}
		v = v.FieldByName(field)
	}
	if v.Kind() != reflect.Int {
		return -1, errNoEpoll
	}
	fd := int(v.Int())
	if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil || to != "anon_inode:[eventpoll]" {
		return -1, errNoEpoll
	}
	return fd, nil
}
