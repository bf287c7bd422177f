package js_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/client"
	"github.com/oortim/oort/client/js/browser"
	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/parts"
)

// The test's own binary is `oort serve` too: what main wires, in a process that
// can be killed, without a build of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		var grammar struct {
			ops.Globals
			Serve parts.Serve `cmd:""`
		}
		os.Exit(ops.App{Name: "oort", Grammar: &grammar, Fallback: "serve"}.Main(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// server is a real `oort serve`, which keeps its addresses over a restart.
type server struct {
	t     *testing.T
	data  string
	addr  map[string]string // by name, from the ready line
	cmd   *exec.Cmd
	log   bytes.Buffer // read after the process has ended
	drain chan struct{}
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, data: t.TempDir(),
		addr: map[string]string{"tcp": "127.0.0.1:0", "ws": "127.0.0.1:0", "http": "127.0.0.1:0"}}
	s.start()
	t.Cleanup(func() {
		s.end(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("server said:\n%s", s.log.String())
		}
	})
	return s
}

// start runs the server and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	args := []string{"serve", "--admin=", "--drain-window=200ms", "--data=" + s.data}
	for name, addr := range s.addr {
		args = append(args, "--"+name+"="+addr)
	}
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(self, args...)
	s.cmd.Stderr = &s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ready, drain := make(chan string, 1), make(chan struct{})
	s.drain = drain
	go func() {
		defer close(drain)
		defer close(ready)
		r := bufio.NewReader(out)
		line, _ := r.ReadString('\n')
		ready <- line
		io.Copy(io.Discard, r)
	}()
	select {
	case line := <-ready:
		for _, field := range strings.Fields(line) {
			if name, addr, ok := strings.Cut(field, "="); ok && s.addr[name] != "" {
				s.addr[name] = addr
			}
		}
	case <-time.After(30 * time.Second):
	}
	if strings.HasSuffix(s.addr["http"], ":0") {
		s.t.Fatal("the server does not get ready")
	}
}

// end stops the server by a signal.
func (s *server) end(sig os.Signal) {
	s.cmd.Process.Signal(sig)
	late := time.AfterFunc(30*time.Second, func() { s.cmd.Process.Kill() })
	<-s.drain
	s.cmd.Wait()
	late.Stop()
}

// TestServe is the page against a real server: what a newcomer does.
func TestServe(t *testing.T) {
	b := browser.Start(t)
	s := startServer(t)
	url := "http://" + s.addr["http"] + "/?room=live://7"
	one, two := b.Open(t, url), b.Open(t, url)
	one.Size(1100, 760, false)
	two.Size(390, 760, true)
	two.Dark(true)
	one.Wait(live)
	two.Wait(live)
	say(one, "hello from one")
	two.Wait(has("hello from one"))
	say(two, "hello from two")
	one.Wait(has("hello from two"))

	// A push from a program, and a client at a terminal, meet the same room.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{Addr: "tcp://" + s.addr["tcp"], Room: "live://7"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	api := push.Client{API: "http://" + s.addr["http"], HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	if _, err := api.Push(ctx, push.Push{Room: "live://7", Op: 1001, Body: []byte(`{"name":"Ada","text":"from a program"}`)}); err != nil {
		t.Fatal(err)
	}
	one.Wait(has("from a program"))
	two.Wait(has("from a program"))
	if m, err := c.Recv(ctx); err != nil || m.Op != 1001 {
		t.Errorf("got %+v, %v", m, err)
	}
	one.Eval(`document.dispatchEvent(new Event("visibilitychange"))`, nil) // asks for the count now
	one.Wait(`document.querySelector("#online").textContent === "3"`)
	shot(t, one, "serve-desktop")
	shot(t, two, "serve-phone")

	// Once it goes in order, once it is killed; the tabs come back.
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		s.end(sig)
		one.Wait("!(" + live + ")")
		two.Wait("!(" + live + ")")
		s.start()
		one.Click("#notice-action") // Retry now; the other tab waits as it was told
		one.Wait(live)
		two.Wait(live)
		say(two, "back after "+sig.String())
		one.Wait(has("back after " + sig.String()))
		two.Wait(has("back after " + sig.String()))
	}
	noProblems(t, one, "ERR_CONNECTION", "WebSocket connection")
	noProblems(t, two, "ERR_CONNECTION", "WebSocket connection")
}
