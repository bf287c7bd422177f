//go:build linux

package gnet

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	lib "github.com/panjf2000/gnet/v2"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// Importing gnet starts goroutines, which must be gone whatever else is run.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A peer that sends to a paused link fills sockets, and no memory of ours.
func TestPausedLinkIsNotRead(t *testing.T) {
	var sum int
	h := &scripted{}
	h.data = func(id poller.ID, in []byte) int {
		h.loop.Pause(id)
		sum++
		return 1
	}
	r := newRig(t, h, poller.Options{MaxRest: 1000})
	id, p := r.link()
	p.SetDeadline(time.Now().Add(20 * time.Second))
	sent := make(chan error, 1)
	const size = 1 << 24
	go func() {
		_, err := p.Write(make([]byte, size))
		sent <- err
	}()
	for range 50 {
		r.until("a pause", func(l *loop) bool { return l.Find(id).Waits() })
		r.do(func(l *loop) {
			if n := l.Unused(l.Find(id)); n > 1000+1024 {
				t.Errorf("%d bytes are held for a paused link", n)
			}
			l.Resume(id)
		})
	}
	r.do(func(*loop) {
		if len(sent) > 0 {
			t.Error("the peer got rid of everything")
		}
		used := sum
		h.data = func(_ poller.ID, in []byte) int { used += len(in); sum = used; return len(in) }
	})
	r.until("all bytes", func(l *loop) bool { l.Resume(id); return sum == size })
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// Between two turns that ask not to sleep, gnet polls: what a peer has sent
// before a turn is read before the turn after the next.
func TestBusyTurnsLeaveLinksTheirTurn(t *testing.T) {
	var peer *net.TCPConn
	var since, rounds int
	done := make(chan bool, 1)
	h := &scripted{}
	h.data = func(_ poller.ID, in []byte) int {
		if rounds++; rounds == 100 {
			done <- true
		}
		since = 0
		return len(in)
	}
	h.turn = func() time.Duration {
		switch {
		case peer == nil || rounds == 100:
			return -1
		case since == 0:
			peer.Write([]byte("x"))
		case since > 2:
			t.Errorf("%d turns without reading", since)
		}
		since++
		return 0
	}
	r := newRig(t, h, poller.Options{})
	_, p := r.link()
	r.do(func(*loop) { peer = p })
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the link had no turn")
	}
}

// Urgent data raises another event than data does; it must not be raised for
// ever.
func TestUrgentDataDoesNotSpin(t *testing.T) {
	turns := 0
	r := newRig(t, &scripted{turn: func() time.Duration { turns++; return -1 }}, poller.Options{})
	_, p := r.link()
	raw, err := p.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
	if err != nil {
		t.Fatal(err)
	}
	var before, after int
	r.do(func(*loop) { before = turns })
	used := processTime()
	time.Sleep(100 * time.Millisecond) // the time in which it would spin
	r.do(func(*loop) { after = turns })
	if used := processTime() - used; after-before > 4 || used > 50*time.Millisecond {
		t.Errorf("%d turns and %v of CPU in 100 ms with nothing to do", after-before, used)
	}
}

func processTime() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// With a descriptor for accept and none for gnet's duplicate, the connect waits
// and is not lost.
func TestConnectWaitsForItsSecondDescriptor(t *testing.T) {
	r := newRig(t, &scripted{}, poller.Options{})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	relieve := starve(t, 1)
	to := r.engine.Addrs()[0].(*net.TCPAddr)
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())})
	r.until("a pause", func(*loop) bool { return r.engine.Stats().AcceptPauses > 0 })
	opened := len(r.ids)
	relieve()
	if err != nil || opened > 0 {
		t.Fatalf("opened %d links without descriptors; connect: %v", opened, err)
	}
	select {
	case id := <-r.ids:
		r.do(func(l *loop) {
			if n, err := l.Write(id, []byte("hello")); n != 5 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
	case <-time.After(10 * time.Second):
		t.Fatal("the connect was lost")
	}
	if n, err := unix.Read(fd, make([]byte, 9)); n != 5 || err != nil {
		t.Errorf("the peer read %d bytes, %v", n, err)
	}
}

// A gnet that is built in another way is refused when it is opened, not met
// when the first link pauses.
func TestEpollIsLookedFor(t *testing.T) {
	type poller struct{ fd int }
	type unlike struct {
		lib.EventLoop
		poller *poller
	}
	notEpoll, other, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	defer notEpoll.Close()
	defer unix.Close(other)
	for name, events := range map[string]lib.EventLoop{
		"none":                    nil,
		"without a poller":        struct{ lib.EventLoop }{},
		"with a nil poller":       &unlike{},
		"with another descriptor": &unlike{poller: &poller{other}},
	} {
		if _, err := epollOf(events); !errors.Is(err, errNoEpoll) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BenchmarkAccept is a connect, OnOpen, and the close of both sides.
func BenchmarkAccept(b *testing.B) {
	r := newRig(b, &scripted{}, poller.Options{})
	for b.Loop() {
		c, err := net.Dial("tcp", r.engine.Addrs()[0].String())
		if err != nil {
			b.Fatal(err)
		}
		id := <-r.ids
		r.do(func(l *loop) { l.Close(id, poller.ErrStopped) })
		io.Copy(io.Discard, c)
		c.Close()
	}
}
