package sessiontest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// RedisServer is a real redis-server that belongs to one test. It keeps its
// data in the test's directory, and its port when it is started again.
type RedisServer struct {
	Addr string

	t        testing.TB
	args     []string
	password string // empty: none
	cmd      *exec.Cmd
	out      bytes.Buffer // of the process that runs now; read it when exited is closed

	exited chan struct{}
}

// startTries is how often another port is tried: a free port may be taken
// before redis-server has it.
const startTries = 5

// StartRedis starts redis-server on a free port, with more arguments if given,
// and kills it at the end of the test.
func StartRedis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	dir := t.TempDir()
	return launch(t, "", func(port string) []string {
		return append([]string{
			"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
			"--cluster-config-file", "nodes-" + port + ".conf",
		}, args...)
	})
}

// launch starts redis-server on a free port, with the arguments for it.
func launch(t testing.TB, password string, args func(port string) []string) *RedisServer {
	t.Helper()
	var err error
	for range startTries {
		port := freePort(t)
		r := &RedisServer{Addr: net.JoinHostPort("127.0.0.1", port), t: t, args: args(port), password: password}
		if err = r.start(); err == nil {
			t.Cleanup(r.Kill)
			return r
		}
	}
	t.Fatalf("redis-server: %v", err)
	return nil
}

// Master is the name by which a sentinel of StartSentinel knows its master.
const Master = "oort"

// StartSentinel starts a sentinel that watches master and alone decides on its
// successor, half a second after it was last heard of. Who asks it must log in
// if password is not empty.
func StartSentinel(t testing.TB, master *RedisServer, password string) *RedisServer {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	text := fmt.Sprintf(`bind 127.0.0.1
sentinel monitor %[1]s %s %s 1
sentinel down-after-milliseconds %[1]s 500
sentinel failover-timeout %[1]s 2000
`, Master, host, port)
	if password != "" {
		text += "requirepass " + password + "\n"
	}
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	return launch(t, password, func(port string) []string {
		if err := os.WriteFile(conf, []byte(text+"port "+port+"\n"), 0o600); err != nil { // sentinels change it
			t.Fatal(err)
		}
		return []string{conf, "--sentinel"}
	})
}

// KnowsReplica waits until a sentinel has heard of a replica that has all that
// its master has: it promotes no other.
func (r *RedisServer) KnowsReplica() {
	r.t.Helper()
	client := r.client()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		replicas, err := client.Do(ctx, client.B().SentinelReplicas().Master(Master).Build()).ToArray()
		for _, replica := range replicas {
			if fields, err := replica.AsStrMap(); err == nil && fields["master-link-status"] == "ok" {
				return
			}
		}
		if ctx.Err() != nil {
			r.t.Fatalf("the sentinel knows %d replicas, none of use (%v)", len(replicas), err)
		}
		pause(ctx)
	}
}

// clusterNodes is how many masters a cluster has; Redis wants three at least
// for its own elections.
const clusterNodes = 3

// StartCluster starts a cluster of three masters and returns one of them.
func StartCluster(t testing.TB) *RedisServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	nodes := make([]*RedisServer, clusterNodes)
	clients := make([]rueidis.Client, clusterNodes)
	for i := range nodes {
		nodes[i] = StartRedis(t, "--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1")
		clients[i] = nodes[i].client()
		defer clients[i].Close()
		first, last := 16384*i/clusterNodes, 16384*(i+1)/clusterNodes-1
		must(ctx, t, clients[i], "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		must(ctx, t, clients[i], "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, node := range nodes[1:] {
		host, port, _ := net.SplitHostPort(node.Addr)
		must(ctx, t, clients[0], "CLUSTER", "MEET", host, port)
	}
	for _, client := range clients {
		for !clusterOK(ctx, client) {
			if ctx.Err() != nil {
				t.Fatal("redis cluster: not ok in time")
			}
			pause(ctx)
		}
	}
	return nodes[0]
}

func must(ctx context.Context, t testing.TB, client rueidis.Client, args ...string) {
	t.Helper()
	if err := client.Do(ctx, client.B().Arbitrary(args...).Build()).Error(); err != nil {
		t.Fatalf("redis %q: %v", args, err)
	}
}

// clusterOK reports whether a node knows all others and all slots.
func clusterOK(ctx context.Context, client rueidis.Client) bool {
	info, err := client.Do(ctx, client.B().ClusterInfo().Build()).ToString()
	return err == nil && strings.Contains(info, "cluster_state:ok") &&
		strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(clusterNodes))
}

func (r *RedisServer) start() error {
	r.out.Reset()
	r.cmd = exec.Command("redis-server", r.args...)
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	r.cmd.SysProcAttr = diesWithUs()
	if err := r.cmd.Start(); err != nil {
		return err
	}
	cmd, exited := r.cmd, make(chan struct{})
	r.exited = exited
	go func() { _ = cmd.Wait(); close(exited) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if r.answers(ctx) {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("exited: %s", r.out.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	r.Kill()
	return errors.New("does not answer")
}

// answers reports whether it is this redis-server that listens on the port.
func (r *RedisServer) answers(ctx context.Context) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	ask := "INFO server\r\nQUIT\r\n"
	if r.password != "" {
		ask = "AUTH " + r.password + "\r\n" + ask
	}
	if _, err := io.WriteString(conn, ask); err != nil {
		return false
	}
	answer, _ := io.ReadAll(conn)
	return bytes.Contains(answer, []byte("process_id:"+strconv.Itoa(r.cmd.Process.Pid)+"\r\n"))
}

// Kill ends the server at once, as a crash does; its data is lost.
func (r *RedisServer) Kill() {
	_ = r.cmd.Process.Signal(syscall.SIGCONT)
	_ = r.cmd.Process.Kill() // fails if it has exited
	<-r.exited
}

// Restart starts the server again, empty, on the same port.
func (r *RedisServer) Restart() {
	r.t.Helper()
	r.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := errors.New("not tried")
	for ctx.Err() == nil {
		if err = r.start(); err == nil {
			return
		}
		pause(ctx)
	}
	r.t.Fatalf("redis-server: restart: %v", err)
}

// Pause stops the server's process until Resume: connections stay and nobody
// answers.
func (r *RedisServer) Pause() { r.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (r *RedisServer) Resume() { r.signal(syscall.SIGCONT) }

func (r *RedisServer) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *RedisServer) client() rueidis.Client {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{r.Addr}, Password: r.password, DisableCache: true, ForceSingleClient: true,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return client
}

func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// pause waits a moment between looks at something that will come about.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}
