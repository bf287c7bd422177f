//go:build linux

package comet

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/frame"
)

// crowd is a room of many links whose clients are bare sockets: nothing but
// the comet runs when the room is pushed to.
type crowd struct {
	*rig
	clients []int
	inner   []int // the comet's ends of the same connections
	sent    uint64
}

func gather(b *testing.B, links int) *crowd {
	c := &crowd{rig: open(b, engines.Names()[0], func(cfg *Config) { cfg.Loops = 1 })}
	b.Cleanup(func() { c.hangUp(b) })
	c.join(b, links, "live://1")
	c.drain()
	c.findInner(c.engine.Addrs()[0].(*net.TCPAddr).Port, links)
	return c
}

// join opens so many links to a room.
func (c *crowd) join(b *testing.B, links int, room string) {
	port := c.engine.Addrs()[0].(*net.TCPAddr).Port
	for i := range links {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		c.clients = append(c.clients, fd)
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != nil {
			b.Fatal(err)
		}
		auth := fmt.Sprintf(`{"mid":1,"key":"k%d","room_id":%q}`, i, room)
		if _, err := syscall.Write(fd, frame.Append(nil, frame.OpAuth, 1, []byte(auth))); err != nil {
			b.Fatal(err)
		}
	}
	until(b, "all are live", func() bool { return c.live() == int64(links) })
	for _, fd := range c.clients {
		_ = syscall.SetNonblock(fd, true)
	}
}

// hangUp closes the bare clients.
func (c *crowd) hangUp(b *testing.B) {
	for _, fd := range c.clients {
		syscall.Close(fd)
	}
	until(b, "all are gone", func() bool { return c.logic.online() <= 1 })
}

// findInner finds the comet's ends among the descriptors of this process.
func (c *crowd) findInner(port, links int) {
	for fd := range 20_000 {
		own, err := syscall.Getsockname(fd)
		if err != nil {
			continue
		}
		if a, ok := own.(*syscall.SockaddrInet4); ok && a.Port == port {
			if _, err := syscall.Getpeername(fd); err == nil {
				c.inner = append(c.inner, fd)
			}
		}
	}
	if len(c.inner) != links {
		c.t.Fatalf("%d inner ends found, want %d", len(c.inner), links)
	}
}

// drain empties the clients' receive buffers.
func (c *crowd) drain() { drainAll(c.clients) }

func drainAll(clients []int) {
	buf := make([]byte, 64<<10)
	for _, fd := range clients {
		for {
			if n, err := syscall.Read(fd, buf); n <= 0 || err != nil {
				break
			}
		}
	}
}

func (c *crowd) push(body string) {
	c.pushRoom("live://1", 1000, body)
	c.sent += uint64(len(c.clients))
	for c.Ledger()["delivered"] < c.sent {
		time.Sleep(100 * time.Microsecond)
	}
}

// cpu is the time that this process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs once over and over, and reports the CPU time of a write.
func (c *crowd) measure(b *testing.B, once func()) {
	var used time.Duration
	rounds := 0
	for b.Loop() {
		begun := cpu()
		once()
		used += cpu() - begun
		if rounds++; rounds%20 == 0 {
			b.StopTimer()
			c.drain()
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(used.Nanoseconds())/float64(rounds*len(c.clients)), "cpu-ns/write")
}

// BenchmarkRoomPush compares a room push of 26 bytes a frame with send(2) in a
// loop over the same sockets: the difference is what a comet costs.
func BenchmarkRoomPush(b *testing.B) {
	c := gather(b, 5000)
	body := strings.Repeat("x", 10)
	one := frame.Append(nil, 1000, 0, []byte(body))
	b.Run("send", func(b *testing.B) {
		c.measure(b, func() {
			for _, fd := range c.inner {
				n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&one[0])), uintptr(len(one)),
					syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
				if int(n) != len(one) {
					b.Fatal(n, errno)
				}
			}
		})
	})
	b.Run("comet", func(b *testing.B) { c.measure(b, func() { c.push(body) }) })
}
