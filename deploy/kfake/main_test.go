package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
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
