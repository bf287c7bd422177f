package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// childEnv makes this test binary the command.
const childEnv = "OORT_TEST_KFAKE"

func TestMain(m *testing.M) {
	if args := os.Getenv(childEnv); args != "" {
		if err := run(strings.Split(args, " ")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// start runs the command until it listens.
func start(t *testing.T, args ...string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(args, " "))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // may have ended
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("printed %q", line)
	}
	return cmd, addr
}

// TestKilledAndStopped: nothing acknowledged is lost by SIGKILL or by SIGTERM.
func TestKilledAndStopped(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	listen := "127.0.0.1:0"
	var acked int
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		cmd, addr := start(t, "--listen", listen, "--data", dir, "--partitions", "2")
		listen = addr
		client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("t"),
			kgo.ProducerLinger(0))
		if err != nil {
			t.Fatal(err)
		}
		if acked == 0 {
			makeTopic(ctx, t, client)
		}
		for range 200 {
			if err := client.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(acked))).FirstErr(); err != nil {
				t.Fatal(err)
			}
			acked++
		}
		client.Close()
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		if sig == syscall.SIGTERM && err != nil {
			t.Errorf("stopped by SIGTERM: %v", err)
		}
	}
	_, addr := start(t, "--listen", listen, "--data", dir)
	if got := count(ctx, t, addr); got != acked {
		t.Errorf("%d records are there, %d were acknowledged", got, acked)
	}
}

// TestRetryAfterKill: a batch that was stored and whose answer got lost with the
// broker comes again, and is not stored twice.
func TestRetryAfterKill(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd, addr := start(t, "--listen", "127.0.0.1:0", "--data", dir)
	other, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	makeTopic(ctx, t, other)
	var deaf deafness
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("t"), kgo.ProducerLinger(0),
		kgo.Dialer(deaf.dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range 7 { // more than a broker remembers
		if err := client.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	deaf.on.Store(true)
	stored := make(chan error, 1)
	client.Produce(ctx, kgo.StringRecord("once"), func(_ *kgo.Record, err error) { stored <- err })
	for stands(ctx, t, other) < 8 {
		time.Sleep(5 * time.Millisecond)
	}
	cmd.Process.Kill() //nolint:errcheck // it runs
	cmd.Wait()         //nolint:errcheck // killed
	deaf.on.Store(false)
	start(t, "--listen", addr, "--data", dir)
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	if n := stands(ctx, t, other); n != 8 {
		t.Errorf("%d records are there, 8 were produced", n)
	}
	if err := client.ProduceSync(ctx, kgo.StringRecord("on")).FirstErr(); err != nil {
		t.Errorf("it does not go on: %v", err)
	}
}

// deafness dials connections on which answers do not come while it is on: not
// even later.
type deafness struct{ on atomic.Bool }

func (d *deafness) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return deafConn{conn, d}, err
}

type deafConn struct {
	net.Conn
	deaf *deafness
}

func (c deafConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.deaf.on.Load() {
			return n, err
		}
	}
}

// stands is how many records the topic has.
func stands(ctx context.Context, t *testing.T, client *kgo.Client) (n int64) {
	t.Helper()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

func TestWrongFlags(t *testing.T) {
	for _, args := range [][]string{{"--listen", "nowhere"}, {"--no-such-flag"}, {"--listen", "0.0.0.0:0"}} {
		if err := run(args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func makeTopic(ctx context.Context, t *testing.T, client *kgo.Client) {
	t.Helper()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
}

// count reads the distinct records of the topic.
func count(ctx context.Context, t *testing.T, addr string) int {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	seen := make(map[string]bool)
	for left > 0 {
		f := client.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) { seen[string(r.Value)] = true; left-- })
	}
	return len(seen)
}
