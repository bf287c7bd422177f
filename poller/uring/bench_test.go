//go:build linux

package uring

import (
	"context"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/sock"
	"github.com/oortim/oort/poller/raw"
)

// BenchmarkWriteEach sends 26 bytes to each of 4,000 links: by this engine, by
// package raw, and by send(2) alone on the sockets of the former. They take
// turns, so that they meet the same machine, and each has a thread of its own,
// which is not the one that reads. An operation is one link; the figures are
// the median of the rounds, of processor time of the loop's thread, in which
// loopback also does the peer's receiving.
//
// Rounds are few if the benchmark is short: -benchtime 200000x makes 50.
func BenchmarkWriteEach(b *testing.B) {
	const links = 4000
	block, taken := make([]byte, 26), make([]int32, links)
	ring, epoll := newCrowd(b, Open, links), newCrowd(b, raw.Options{Locked: true}.Open, links)
	each := func(c *crowd) func(poller.Loop) {
		return func(l poller.Loop) { l.WriteEach(c.ids, block, taken) }
	}
	var fds []int32
	ring.do(func(l poller.Loop) {
		for _, id := range ring.ids {
			fds = append(fds, l.(*loop).links.Find(id).fd)
		}
	})
	ways := []struct {
		name  string
		crowd *crowd
		f     func(poller.Loop)
		took  []float64
	}{
		{name: "uring", crowd: ring, f: each(ring)},
		{name: "epoll", crowd: epoll, f: each(epoll)},
		{name: "bare", crowd: ring, f: func(poller.Loop) {
			for _, fd := range fds {
				sock.Send(int(fd), block)
			}
		}},
	}
	b.ResetTimer()
	for n := 0; n < b.N; n += links {
		for i := range ways {
			w := &ways[(i+n/links)%len(ways)]
			w.crowd.do(func(l poller.Loop) { w.took = append(w.took, threadCPU(func() { w.f(l) })/links) })
			w.crowd.drain()
		}
	}
	for _, w := range ways {
		slices.Sort(w.took)
		b.ReportMetric(w.took[len(w.took)/2], w.name+"-cpu-ns/link")
	}
	b.ReportMetric(0, "ns/op") // of all three, so of nothing
}

// crowd is an engine of one loop and its links.
type crowd struct {
	tb    testing.TB
	loop  poller.Loop
	ids   []poller.ID
	peers []int
}

func newCrowd(tb testing.TB, open func(poller.Options) (poller.Engine, error), links int) *crowd {
	opened := make(chan poller.ID, 1)
	e, err := open(poller.Options{Loops: 1, Listen: []string{"127.0.0.1:0"}, NewHandler: func(l poller.Loop) poller.Handler {
		return &anyServer{server{opened: opened, wait: -1}, l}
	}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Stop(context.Background()) })
	c := &crowd{tb: tb, loop: e.Loops()[0]}
	for range links {
		c.peers = append(c.peers, dial(tb, e.Addrs()[0]))
		c.ids = append(c.ids, <-opened)
	}
	return c
}

// anyServer is a server on any engine.
type anyServer struct {
	server
	loop poller.Loop
}

func (s *anyServer) OnTask(t poller.Task) { t.Ref.(func(poller.Loop))(s.loop) }

// dial connects a socket that nothing polls, so that what comes wakes nobody.
func dial(tb testing.TB, to net.Addr) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Close(fd) })
	at := to.(*net.TCPAddr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())}); err != nil {
		tb.Fatal(err)
	}
	return fd
}

func (c *crowd) do(f func(poller.Loop)) {
	done := make(chan bool)
	c.loop.Post(poller.Task{Ref: func(l poller.Loop) { f(l); close(done) }})
	<-done
}

// drain reads what the peers have got, so that their sockets never fill.
func (c *crowd) drain() {
	done := make(chan bool)
	go func() {
		runtime.LockOSThread() // which ends with it: a thread that no loop shares
		defer close(done)
		buf := make([]byte, 64<<10)
		for _, fd := range c.peers {
			for {
				if _, errno := sock.Recv(fd, buf); errno == syscall.EAGAIN {
					break
				}
			}
		}
	}()
	<-done
}

// threadCPU is the processor time, in nanoseconds, that the calling thread uses
// for f.
func threadCPU(f func()) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now := func() int64 {
		var t unix.Timespec
		unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
		return t.Nano()
	}
	start := now()
	f()
	return float64(now() - start)
}

// BenchmarkMissing is what opening an engine, or listing them, pays for trying
// the kernel.
func BenchmarkMissing(b *testing.B) {
	for b.Loop() {
		if err := Missing(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPost is a task to a loop that sleeps, and the answer.
func BenchmarkPost(b *testing.B) {
	r := open(b, poller.Options{}, nil)
	done := make(chan struct{}, 1)
	b.ReportAllocs()
	start := processCPU()
	for b.Loop() {
		r.server.loop.Post(poller.Task{Ref: done})
		<-done
	}
	b.ReportMetric(float64(processCPU()-start)/float64(b.N), "cpu-ns/op")
}

func processCPU() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
