package comet

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// When descriptors run out, the links that live go on, and accept does too once
// there are some again.
// Defence: the engine pauses accept (poller/raw/accept.go) instead of ending it.
func TestThreatNoDescriptors(t *testing.T) {
	alone(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, nil)
		var old syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		var dialled []net.Conn
		for range 20 {
			c, err := net.Dial("tcp", s.TCPAddr())
			if err != nil {
				t.Fatal(err)
			}
			dialled = append(dialled, c)
		}
		until(t, "all are open", func() bool { return s.links.Load() == 21 })
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) }()
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(fd) + 1, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
		port := s.engine.Addrs()[0].(*net.TCPAddr).Port
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port})
		until(t, "accept paused", func() bool { return s.engine.Stats().AcceptPauses > 0 })
		s.undisturbed()
		restored := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
		if err := errors.Join(err, restored); err != nil {
			t.Fatal(err)
		}
		until(t, "accept goes on", func() bool { return s.links.Load() == 22 })
		for _, c := range dialled {
			c.Close()
		}
		syscall.Close(fd)
		s.undisturbed()
	})
}
