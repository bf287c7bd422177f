package raw

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/sock"
)

// cpu is the processor time that the process has used.
func cpu() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU reports the processor time of an operation besides its duration.
func reportCPU(b *testing.B) func() {
	start := cpu()
	b.ResetTimer()
	return func() { b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/op") }
}

func BenchmarkEcho(b *testing.B) {
	const size = 26
	r := newRig(b, size)
	_, p := r.link()
	message := make([]byte, size)
	b.ReportAllocs()
	defer reportCPU(b)()
	for range b.N {
		p.Write(message)
		if _, err := io.ReadFull(p, message); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPost is a task to a loop that sleeps, and the answer.
func BenchmarkPost(b *testing.B) {
	r := newRig(b, 1)
	done := make(chan struct{}, 1)
	b.ReportAllocs()
	defer reportCPU(b)()
	for range b.N {
		r.echo.loop.Post(poller.Task{Ref: done})
		<-done
	}
}

// BenchmarkSleep compares ways for a loop to sleep. "paced" wakes it 900 times
// a second and tells what a wake costs in processor time; "hurried" wakes it
// again as soon as it has answered.
func BenchmarkSleep(b *testing.B) {
	for _, pace := range []struct {
		name string
		d    time.Duration
	}{{"paced", time.Second / 900}, {"hurried", 0}} {
		b.Run("parked/"+pace.name, func(b *testing.B) { benchSleep(b, pace.d, Options{}) })
		b.Run("blocked/"+pace.name, func(b *testing.B) { benchSleep(b, pace.d, Options{Locked: true}) })
	}
}

func benchSleep(b *testing.B, pace time.Duration, how Options) {
	p, err := openPoll(how)
	if err != nil {
		b.Fatal(err)
	}
	defer p.close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	p.change(pair[0], 1, 1, 0, armedIn)
	acks := make(chan bool)
	go func() {
		if how.Locked {
			runtime.LockOSThread() // the thread ends with the goroutine
		}
		buf := make([]byte, 1)
		for range b.N {
			for p.wait(-1, func() bool { return true }) == 0 {
			}
			sock.Recv(pair[0], buf)
			acks <- true
		}
	}()
	one := []byte{1}
	defer reportCPU(b)()
	for range b.N {
		time.Sleep(pace)
		sock.Send(pair[1], one)
		<-acks
	}
}

// BenchmarkWake compares ways to end the sleep of a parked loop: deadline is
// what poll.wake does, eventfd is a descriptor in the epoll set.
func BenchmarkWake(b *testing.B) {
	p, err := openPoll(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.close()
	efd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(efd)
	p.change(efd, 1, 1, 0, armedIn)
	count := make([]byte, 8)
	one := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	b.Run("deadline", func(b *testing.B) { benchWake(b, p, p.wake, func() {}) })
	b.Run("eventfd", func(b *testing.B) {
		benchWake(b, p, func() { unix.Write(efd, one) }, func() { unix.Read(efd, count) })
	})
}

func benchWake(b *testing.B, p *poll, wake, woken func()) {
	acks, parking := make(chan bool), make(chan bool)
	go func() {
		for range b.N {
			p.wait(-1, func() bool { parking <- true; return true })
			woken()
			acks <- true
		}
	}()
	defer reportCPU(b)()
	for range b.N {
		<-parking
		wake()
		<-acks
	}
}

// BenchmarkWriteEach sends 26 bytes to each of 1,000 links, by WriteEach, by
// send as it uses it, and by a system call that tells the scheduler; an
// operation is one link.
func BenchmarkWriteEach(b *testing.B) {
	const links, rounds = 1000, 200
	r := newRig(b, 1)
	ids := make([]poller.ID, links)
	peers := make([]net.Conn, links)
	for i := range ids {
		ids[i], peers[i] = r.link()
	}
	var fds []int32
	r.do(func(l *loop) {
		for _, id := range ids {
			fds = append(fds, l.links.Find(id).fd)
		}
	})
	block, taken := make([]byte, 26), make([]int32, links)
	for _, way := range []struct {
		name string
		all  func(l *loop)
	}{
		{"WriteEach", func(l *loop) { l.WriteEach(ids, block, taken) }},
		{"bare", func(*loop) {
			for _, fd := range fds {
				sock.Send(int(fd), block)
			}
		}},
		{"scheduler", func(*loop) {
			for _, fd := range fds {
				unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&block[0])), uintptr(len(block)),
					unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
			}
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			var used time.Duration
			for left := b.N; left > 0; {
				n := min(rounds, (left+links-1)/links)
				left -= n * links
				r.do(func(l *loop) {
					defer threadCPU(&used)()
					for range n {
						way.all(l)
					}
				})
				b.StopTimer()
				drain(peers)
				b.StartTimer()
			}
			b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
		})
	}
}

// threadCPU adds the processor time of the calling goroutine, from the call to
// that of the function it returns, to sum.
func threadCPU(sum *time.Duration) func() {
	runtime.LockOSThread()
	used := func() time.Duration {
		var u unix.Rusage
		unix.Getrusage(unix.RUSAGE_THREAD, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func() {
		*sum += used() - start
		runtime.UnlockOSThread()
	}
}

// drain reads what peers have got, so that their sockets never fill.
func drain(peers []net.Conn) {
	buf := make([]byte, 64<<10)
	for _, p := range peers {
		rc, _ := p.(*net.TCPConn).SyscallConn()
		rc.Control(func(fd uintptr) {
			for n := 1; n > 0; {
				n, _ = unix.Read(int(fd), buf)
			}
		})
	}
}

// BenchmarkCall is the system call alone, on a socket that has nothing: raw is
// what recv does, private does it with a descriptor table of its own, scheduler
// tells Go's scheduler of it.
func BenchmarkCall(b *testing.B) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	buf := make([]byte, 64)
	b.Run("raw", func(b *testing.B) {
		defer reportCPU(b)()
		for range b.N {
			sock.Recv(pair[0], buf)
		}
	})
	b.Run("private", func(b *testing.B) {
		done := make(chan error)
		go onOwnThread(func() {
			err := ownTable(func(fd int) bool { return fd == pair[0] })
			defer reportCPU(b)()
			for range b.N {
				sock.Recv(pair[0], buf)
			}
			done <- err
		})
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	})
	b.Run("scheduler", func(b *testing.B) {
		defer reportCPU(b)()
		for range b.N {
			unix.Syscall6(unix.SYS_RECVFROM, uintptr(pair[0]), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)),
				unix.MSG_DONTWAIT, 0, 0)
		}
	})
}
