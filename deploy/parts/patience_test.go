package parts

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/job/consume"
	"github.com/oortim/oort/logic/publish"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/logic/session/sessiontest"
	"github.com/oortim/oort/proto/kafka"
)

// testBase is a process without an admin server.
func testBase(t *testing.T) (*base, *bytes.Buffer) {
	t.Helper()
	told := new(bytes.Buffer)
	b, err := openBase(ops.AdminFlags{}, slog.New(slog.NewTextHandler(told, nil)), new(slog.LevelVar), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.opened.close)
	return b, told
}

func TestPasses(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("publish: topic: %w", err) }
	dial := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)}
	}
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{syscall.ECONNRESET, true},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, true},
		{syscall.EPIPE, true},
		{io.EOF, true},
		{io.ErrUnexpectedEOF, true},
		{context.DeadlineExceeded, true},
		{os.ErrDeadlineExceeded, true},
		{dial(syscall.ETIMEDOUT), true},
		{kerr.CoordinatorNotAvailable, true},
		{kerr.NotController, true},
		{kerr.SaslAuthenticationFailed, false},
		{kerr.TopicAuthorizationFailed, false},
		{dial(syscall.ECONNREFUSED), false},
		{dial(syscall.EHOSTUNREACH), false},
		{&net.DNSError{Err: "no such host", Name: "reddis", IsNotFound: true}, false},
		{context.Canceled, false},
		{errors.New("unknown authority"), false},
		{rueidis.ErrClosing, false},
	} {
		if got := passes(wrapped(tc.err)); got != tc.want {
			t.Errorf("%v passes: %v, want %v", tc.err, got, tc.want)
		}
	}
}

// What breaks and passes is tried again and told; what does not pass ends at
// once; patience ends; and so does it when the process is to stop.
func TestReach(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	t.Run("passes", func(t *testing.T) {
		b, told := testBase(t)
		answers := []error{syscall.ECONNRESET, io.EOF, nil}
		tries := 0
		err := b.reach(t.Context(), "redis", func(context.Context) error { tries++; return answers[tries-1] })
		if err != nil || tries != 3 || strings.Count(told.String(), "not reached yet") != 2 || !strings.Contains(told.String(), "what=redis") {
			t.Errorf("%v after %d tries; told %q", err, tries, told)
		}
	})
	t.Run("does not pass", func(t *testing.T) {
		b, told := testBase(t)
		tries := 0
		err := b.reach(t.Context(), "redis", func(context.Context) error { tries++; return refused })
		if !errors.Is(err, syscall.ECONNREFUSED) || tries != 1 || told.Len() != 0 {
			t.Errorf("%v after %d tries; told %q", err, tries, told)
		}
	})
	t.Run("patience ends", func(t *testing.T) {
		b, _ := testBase(t)
		b.patience = 300 * time.Millisecond
		err := b.reach(t.Context(), "kafka", func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a try without a deadline")
			}
			return io.EOF
		})
		if !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "kafka was tried for 300ms") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("told to stop", func(t *testing.T) {
		for _, when := range []time.Duration{0, firstPause / 4} { // within a try, and between two
			for range 8 { // where two ends are ready at once, each must be seen
				b, told := testBase(t)
				ctx, stop := context.WithCancel(t.Context())
				err := b.reach(ctx, "kafka", func(context.Context) error {
					if when == 0 {
						stop()
					}
					time.AfterFunc(when, stop)
					return io.EOF
				})
				if !errors.Is(err, ops.ErrStopped) || !strings.Contains(told.String(), "stopping") {
					t.Errorf("%v after the first try: %v, told %q", when, err, told)
				}
			}
		}
	})
}

// stubborn is the way to target, but its first connections get the same words
// to all that they ask, or without any are reset.
func stubborn(t *testing.T, target string, first int, words string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			if first--; first >= 0 {
				wg.Go(func() { rebuff(t.Context(), near, words) })
				continue
			}
			wg.Go(func() { join(t.Context(), near, target) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func rebuff(ctx context.Context, near net.Conn, words string) {
	defer near.Close()
	defer context.AfterFunc(ctx, func() { near.Close() })()
	if words == "" {
		near.Read(make([]byte, 1))
		near.(*net.TCPConn).SetLinger(0)
		return
	}
	lines := bufio.NewScanner(near)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "*") { // a command of Redis begins
			io.WriteString(near, words)
		}
	}
}

// join copies both ways until one side or ctx ends.
func join(ctx context.Context, near net.Conn, target string) {
	defer near.Close()
	defer context.AfterFunc(ctx, func() { near.Close() })()
	far, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer far.Close()
	go func() { io.Copy(far, near); far.Close() }()
	io.Copy(near, far)
}

// A Redis behind connections that are reset, or that loads its data, is waited
// for; one that wants a password is not.
func TestRedisAtStart(t *testing.T) {
	t.Parallel()
	redis := sessiontest.StartRedis(t)
	for name, tc := range map[string]struct {
		words string
		want  string // in the error; "" for none
		again bool
	}{
		"resets":   {"", "", true},
		"loads":    {"-LOADING Redis is loading the dataset in memory\r\n", "", true},
		"password": {"-NOAUTH Authentication required.\r\n", "NOAUTH", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, told := testBase(t)
			_, err := b.openRedis(t.Context(), session.RedisConfig{Addrs: []string{stubborn(t, redis.Addr, 2, tc.words)}})
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if again := strings.Contains(told.String(), "not reached yet"); again != tc.again {
				t.Errorf("tried again: %v, want %v; told %s", again, tc.again, told)
			}
		})
	}
}

// Logic and job wait for brokers behind connections that are reset.
func TestKafkaAtStart(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	for name, open := range map[string]func(*base, string) error{
		"logic": func(b *base, addr string) error {
			_, err := b.openPublisher(t.Context(), publish.Config{Brokers: kafka.At(addr), Partitions: 1})
			return err
		},
		"job": func(b *base, addr string) error {
			return b.reach(t.Context(), "kafka", func(ctx context.Context) error {
				_, err := consume.Open(ctx, consume.Config{Brokers: kafka.At(addr), Log: b.log, Metrics: prometheus.NewRegistry()})
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, told := testBase(t)
			if err := open(b, stubborn(t, cluster.ListenAddrs()[0], 8, "")); err != nil {
				t.Errorf("%v; told %s", err, told)
			}
		})
	}
}
