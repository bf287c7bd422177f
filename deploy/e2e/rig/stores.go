package rig

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// Redis is a redis-server that keeps nothing on disk.
type Redis struct {
	*Process
	Addr string
}

// StartRedis starts a redis-server on a free port.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	r := &Redis{Addr: FreePort(t, Host())}
	r.start(t)
	return r
}

func (r *Redis) start(t testing.TB) {
	t.Helper()
	host, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		t.Fatalf("rig: %v", err)
	}
	r.Process = Start(t, "redis", "redis-server", "--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	WaitFor(t, "redis answers", func() error { return ping(r.Addr) })
}

// Restart starts it again, empty, on the same address, after Kill.
func (r *Redis) Restart(t testing.TB) { t.Helper(); r.start(t) }

func ping(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "+PONG") {
		err = fmt.Errorf("answer %q", line)
	}
	return err
}

// Kafka is the Kafka-protocol broker in a process of its own.
type Kafka struct {
	*Process
	Addr string
	argv []string
}

// StartKafka starts a broker that keeps its records on disk.
func StartKafka(t testing.TB, b Binaries) *Kafka {
	t.Helper()
	k := &Kafka{Addr: FreePort(t, Host())}
	k.argv = []string{b.Kfake, "--listen", k.Addr, "--data", t.TempDir()}
	k.Restart(t)
	return k
}

// Restart starts it again with its data on the same address, after Kill.
func (k *Kafka) Restart(t testing.TB) {
	t.Helper()
	k.Process = Start(t, "kafka", k.argv...)
	k.WaitLine(t, "listening on ")
}

// WaitFor calls try until it returns nil, and fails the test with its last
// error if that takes longer than Patience.
func WaitFor(t testing.TB, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("rig: %s: not within %v: %v", what, Patience, err)
		case <-time.After(wait):
		}
	}
}
