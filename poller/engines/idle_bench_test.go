//go:build linux

package engines

import (
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// BenchmarkIdle tells what 4,000 links take that do nothing: heap and stacks,
// in bytes a link. Neither the peers nor the kernel's part of either is in it.
func BenchmarkIdle(b *testing.B) {
	const links = 4000
	each(b, func(b *testing.B, e poller.Engine, opened <-chan poller.ID) {
		to := e.Addrs()[0].(*net.TCPAddr)
		addr := &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}
		before := memory()
		var peers []int
		for range links {
			peers = append(peers, connect(b, addr))
			<-opened
		}
		after := memory()
		for b.Loop() { // only what they take is of interest
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/links, "heap-B/link")
		b.ReportMetric((float64(after.StackInuse)-float64(before.StackInuse))/links, "stack-B/link")
		for _, fd := range peers {
			unix.Close(fd)
		}
	})
}

// connect dials without package net, which would keep memory of its own.
func connect(b *testing.B, to unix.Sockaddr) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, to)
	}
	if err != nil {
		b.Fatal(err)
	}
	return fd
}

func memory() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC() // the second frees what pools had kept
	runtime.ReadMemStats(&m)
	return m
}
