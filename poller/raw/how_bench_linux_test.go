package raw

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/sock"
)

// BenchmarkHow compares the Options under four loads. Peers are bare sockets
// of one thread, whose processor time is taken off: cpu-ns/op is what the
// engine and Go's runtime take for an operation.
//
//	echo    one link sends as soon as it has its answer
//	paced   the same 900 times a second
//	active  a thousand links send at once, and then read
//	storm   fifty links are written a megabyte each and read it bit by bit
//	room    a thousand links are written 26 bytes each; the loop's thread alone
func BenchmarkHow(b *testing.B) {
	for _, load := range []struct {
		name string
		run  func(*testing.B, Options)
	}{{"echo", benchEcho}, {"paced", benchPaced}, {"active", benchActive}, {"storm", benchStorm}, {"room", benchRoom}} {
		for _, how := range []Options{{}, {Edge: true}, {Locked: true}, {Private: true}, {Edge: true, Private: true}} {
			b.Run(load.name+"/"+engineName+how.String(), func(b *testing.B) { load.run(b, how) })
		}
	}
}

const small = 26 // bytes of a message

func benchEcho(b *testing.B, how Options)  { benchMessages(b, how, 0) }
func benchPaced(b *testing.B, how Options) { benchMessages(b, how, time.Second/900) }

func benchMessages(b *testing.B, how Options, pace time.Duration) {
	e := openBench(b, how, func(l poller.Loop) poller.Handler { return quiet{&echo{loop: l, size: 1, wait: -1}} })
	fd := bareDial(b, e)
	message := make([]byte, small)
	took := make([]time.Duration, 0, b.N)
	defer engineCPU(b)()
	for range b.N {
		if pace > 0 {
			ts := unix.NsecToTimespec(int64(pace))
			_ = unix.Nanosleep(&ts, nil)
		}
		start := time.Now()
		sock.Send(fd, message)
		bareRead(b, fd, message)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
}

func benchActive(b *testing.B, how Options) {
	const links = 1000
	e := openBench(b, how, func(l poller.Loop) poller.Handler { return quiet{&echo{loop: l, size: 1, wait: -1}} })
	fds := make([]int, links)
	for i := range fds {
		fds[i] = bareDial(b, e)
	}
	message := make([]byte, small)
	defer engineCPU(b)()
	for n := 0; n < b.N; n += links {
		for _, fd := range fds {
			sock.Send(fd, message)
		}
		for _, fd := range fds {
			bareRead(b, fd, message)
		}
	}
}

func benchStorm(b *testing.B, how Options) {
	const links, size = 50, 1 << 20
	e := openBench(b, how, func(l poller.Loop) poller.Handler {
		return &pusher{quiet: quiet{&echo{loop: l}}, block: make([]byte, size), left: map[poller.ID]int{}}
	})
	fds := make([]int, links)
	for i := range fds {
		fds[i] = bareDial(b, e)
	}
	buf := make([]byte, 32<<10)
	defer engineCPU(b)()
	for n := 0; n < b.N; n += links {
		e.Loops()[0].Post(poller.Task{})
		for range size / len(buf) {
			for _, fd := range fds {
				bareRead(b, fd, buf)
			}
		}
	}
}

// pusher writes a block to each link at every task.
type pusher struct {
	quiet
	block []byte
	left  map[poller.ID]int
}

func (p *pusher) OnOpen(id poller.ID, _ poller.Conn) { p.left[id] = 0 }

func (p *pusher) OnTask(poller.Task) {
	for id := range p.left {
		p.left[id] = len(p.block)
		p.OnWritable(id)
	}
}

func (p *pusher) OnWritable(id poller.ID) {
	n, _ := p.loop.Write(id, p.block[:p.left[id]])
	p.left[id] -= n
}

func (p *pusher) OnTurn(time.Time) time.Duration { return -1 }

func benchRoom(b *testing.B, how Options) {
	const links, rounds = 1000, 20
	r := newRigHow(b, how, 1)
	ids, fds := make([]poller.ID, links), make([]int, links)
	for i := range ids {
		fds[i] = bareDial(b, r.engine)
		ids[i] = <-r.echo.ids
	}
	block, taken := make([]byte, small), make([]int32, links)
	read := make([]byte, rounds*small)
	var used time.Duration
	b.ResetTimer()
	for n := 0; n < b.N; n += links * rounds {
		r.do(func(l *loop) {
			defer threadCPU(&used)()
			for range rounds {
				l.WriteEach(ids, block, taken)
			}
		})
		for _, fd := range fds {
			bareRead(b, fd, read)
		}
	}
	b.ReportMetric(float64(used)/float64(max(b.N, links*rounds)), "cpu-ns/op")
}

func openBench(b *testing.B, how Options, h func(poller.Loop) poller.Handler) poller.Engine {
	return openBenchLoops(b, how, 1, h)
}

func openBenchLoops(b *testing.B, how Options, loops int, h func(poller.Loop) poller.Handler) poller.Engine {
	e, err := how.Open(poller.Options{Loops: loops, Listen: []string{"127.0.0.1:0"}, NewHandler: h})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Stop(context.Background()) })
	return e
}

// bareDial connects a blocking socket.
func bareDial(b *testing.B, e poller.Engine) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(fd) })
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	to := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: e.Addrs()[0].(*net.TCPAddr).Port}
	if err := unix.Connect(fd, &to); err != nil {
		b.Fatal(err)
	}
	return fd
}

// bareRead fills buf.
func bareRead(b *testing.B, fd int, buf []byte) {
	for n := 0; n < len(buf); {
		m, err := unix.Read(fd, buf[n:])
		if m <= 0 && err != unix.EINTR {
			b.Fatal(m, err)
		}
		n += max(m, 0)
	}
}

// engineCPU reports the processor time of the process without that of the
// calling goroutine, from here to the call of what it returns.
func engineCPU(b *testing.B) func() {
	var own time.Duration
	taken := threadCPU(&own)
	start := cpu()
	b.ResetTimer()
	return func() {
		all := cpu() - start
		taken()
		b.ReportMetric(float64(all-own)/float64(b.N), "cpu-ns/op")
	}
}
