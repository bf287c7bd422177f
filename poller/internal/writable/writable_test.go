//go:build linux

package writable

import (
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// pair is two connected sockets, of which the first is full.
func pair(t *testing.T) (full, peer int) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, fds[0])
	return fds[0], fds[1]
}

func fill(t *testing.T, fd int) {
	for block := make([]byte, 4096); ; {
		if _, err := unix.Write(fd, block); err == unix.EAGAIN {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func drain(fd int) {
	for block := make([]byte, 4096); ; {
		if n, _ := unix.Read(fd, block); n <= 0 {
			return
		}
	}
}

func open(t *testing.T) (*Set, <-chan poller.ID) {
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	told := make(chan poller.ID, 10)
	s, err := Open(func(ids []poller.ID) {
		for _, id := range ids {
			told <- id
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, told
}

func expect(t *testing.T, told <-chan poller.ID, want poller.ID) {
	t.Helper()
	select {
	case id := <-told:
		if id != want {
			t.Fatalf("told %v, want %v", id, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("never told of %v", want)
	}
}

func TestToldOncePerArm(t *testing.T) {
	s, told := open(t)
	full, peer := pair(t)
	defer unix.Close(full)
	defer unix.Close(peer)
	for gen := uint32(1); gen < 5; gen++ {
		id := poller.ID{Slot: 1 << 31, Gen: gen}
		if err := s.Arm(full, id); err != nil {
			t.Fatal(err)
		}
		if len(told) > 0 {
			t.Fatal("told of a full socket")
		}
		drain(peer)
		expect(t, told, id)
		fill(t, full)
		drain(peer) // it takes bytes again, of which nobody asked to be told
		fill(t, full)
	}
	if len(told) > 0 {
		t.Errorf("told of %v without Arm", <-told)
	}
}

func TestToldOfFailure(t *testing.T) {
	s, told := open(t)
	full, peer := pair(t)
	defer unix.Close(full)
	id := poller.ID{Slot: 3, Gen: 7}
	if err := s.Arm(full, id); err != nil {
		t.Fatal(err)
	}
	unix.Close(peer)
	expect(t, told, id)
}

func TestClosedSocketIsForgotten(t *testing.T) {
	s, told := open(t)
	full, peer := pair(t)
	if err := s.Arm(full, poller.ID{Slot: 1, Gen: 1}); err != nil {
		t.Fatal(err)
	}
	unix.Close(full)
	unix.Close(peer)
	next, peer := pair(t) // mostly the same numbers
	defer unix.Close(next)
	defer unix.Close(peer)
	id := poller.ID{Slot: 1, Gen: 2}
	if err := s.Arm(next, id); err != nil {
		t.Fatal(err)
	}
	drain(peer)
	expect(t, told, id)
}
