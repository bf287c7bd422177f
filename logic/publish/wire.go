package publish

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// wire dials for one producer and counts the produce requests that begin to be
// written. franz-go writes each request with one Write, and hands no hook the
// moment before; a count taken after the write would miss a request that is
// under way.
type wire struct {
	reach    func(ctx context.Context, network, addr string) (net.Conn, error)
	produced atomic.Uint64
}

func newWire(cfg Config) *wire {
	if cfg.Brokers.Dial != nil {
		return &wire{reach: cfg.Brokers.Dial}
	}
	return &wire{reach: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := w.reach(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: conn, raw: rawConn(conn), produced: &w.produced}, nil
}

// rawConn is the socket under conn, or nil.
func rawConn(conn net.Conn) syscall.RawConn {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if s, ok := conn.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// countedConn is one connection to a broker.
type countedConn struct {
	net.Conn
	raw      syscall.RawConn
	produced *atomic.Uint64
}

// Write counts b before it is written if b is a produce request, or might be.
//
//	size i32 | api key i16 | api version i16 | correlation id i32 | …
//
// A connection that its broker has closed while nothing was asked of it would
// still take the bytes, and nobody could say what became of them. It is looked
// at first: the first push after a broker's death is surely not stored, and need
// not be called unknown.
func (c *countedConn) Write(b []byte) (int, error) {
	const produce = 0
	if len(b) < 6 || binary.BigEndian.Uint16(b[4:6]) == produce {
		if c.raw != nil && ended(c.raw) {
			return 0, &net.OpError{Op: "write", Net: "tcp", Addr: c.RemoteAddr(), Err: syscall.EPIPE}
		}
		c.produced.Add(1)
	}
	return c.Conn.Write(b)
}

// ended reports whether the peer has closed the connection or reset it. Bytes
// that wait are answers to earlier requests, and left alone.
func ended(raw syscall.RawConn) (gone bool) {
	var b [1]byte
	err := raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = err == nil && n == 0 || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
	})
	return gone || err != nil
}
