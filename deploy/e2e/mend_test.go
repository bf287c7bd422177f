package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
	"github.com/oortim/oort/proto/logicpb"
)

// Redis loses everything while links live, or the one logic that has its sessions
// in memory is killed: within a few renewals pushes by key and by mid arrive again,
// and no link had to come back for it. A session whose comet knows no such link,
// as a connect leaves it that only logic has heard of, is taken away.
func TestSessionsMend(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		sessions string
		lose     func(t *testing.T, g *rig.Gateway)
	}{
		"redis": {"redis", func(t *testing.T, g *rig.Gateway) { flush(t, g.Redis.Addr) }},
		"memory": {"memory", func(t *testing.T, g *rig.Gateway) {
			g.Logic.Kill()
			g.Logic.Restart(t)
			g.Logic.WaitReady(t)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "oort.yaml")
			if err := os.WriteFile(file, []byte("logic:\n  sessions: "+row.sessions+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			mended(t, rig.StartCluster(t, bin, "epoll", 2, "--config", file), row.lose)
		})
	}
}

func mended(t *testing.T, g *rig.Gateway, lose func(*testing.T, *rig.Gateway)) {
	links := dialLinks(t, g, 40, 2)
	api := &push.Client{API: g.API}
	l := links[5]
	server := onlineAt(t, g, l.key)
	lose(t, g)
	if at := onlineAt(t, g, l.key); at != "" {
		t.Fatalf("after the loss %s is at %s", l.key, at)
	}
	ghost(t, g, server)
	for _, l := range links {
		rig.WaitFor(t, l.key+" is known again", func() error {
			if onlineAt(t, g, l.key) == "" {
				return fmt.Errorf("%s is nowhere", l.key)
			}
			return nil
		})
	}
	for n, p := range []push.Push{{Keys: []string{l.key}}, {Mids: []int64{l.mid}}} {
		p.Op, p.Body = op, body("direct", n)
		if err := store(api, p); err != nil {
			t.Fatal(err)
		}
	}
	rig.WaitFor(t, "direct pushes arrive", func() error {
		if got := l.received("direct"); len(got) != 2 {
			return fmt.Errorf("received %v", got)
		}
		return nil
	})
	rig.WaitFor(t, "the ghost is gone", func() error {
		if at := onlineAt(t, g, "ghost"); at != "" {
			return fmt.Errorf("it is at %s", at)
		}
		return nil
	})
	for _, l := range links {
		select {
		case <-l.Done():
			t.Errorf("%s was closed", l.key)
		default:
		}
	}
}

// Redis loses everything, and whoever knew the comets is killed with it: the job
// that starts does not take the comets that have renewed so far for all.
func TestNobodyKnowsComets(t *testing.T) {
	t.Parallel()
	g := rig.StartCluster(t, bin, "epoll", 2)
	links := dialLinks(t, g, 40, 2)
	p := startPusher(t, g.API)
	p.waitStored(t, 50)
	g.Job.Kill()
	g.Logic.Kill()
	flush(t, g.Redis.Addr)
	g.Logic.Restart(t)
	g.Job.Restart(t)
	p.waitStored(t, 50)
	stored, unknown := p.stop()
	for _, l := range links {
		waitSubsequence(t, l, stored, unknown)
	}
	noneUnexpected(t, links, "room")
}

// onlineAt asks where a key is; "" for nowhere.
func onlineAt(t *testing.T, g *rig.Gateway, key string) string {
	t.Helper()
	res, err := http.Get(g.API + "/v1/sessions?key=" + url.QueryEscape(key))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var in struct {
		Sessions []struct{ Server string }
	}
	if err := json.NewDecoder(res.Body).Decode(&in); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("sessions: %s, %v", res.Status, err)
	}
	for _, s := range in.Sessions {
		return s.Server
	}
	return ""
}

func flush(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(rig.Patience))
	fmt.Fprint(conn, "FLUSHALL\r\n")
	if n, err := conn.Read(make([]byte, 5)); n == 0 || err != nil {
		t.Fatalf("FLUSHALL: %v", err)
	}
}

// ghost connects a link of a comet that the comet has never heard of.
func ghost(t *testing.T, g *rig.Gateway, server string) {
	t.Helper()
	cc, err := grpc.NewClient(g.Logic.Addrs["grpc"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	stream, err := logicpb.NewLogicClient(cc).Sessions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&logicpb.SessionBatch{Server: server, Connects: []*logicpb.Connect{
		{Link: 1 << 40, Body: []byte(`{"key":"ghost","mid":999}`)},
	}}); err != nil {
		t.Fatal(err)
	}
	if r, err := stream.Recv(); err != nil || r.Connected[0].Status != logicpb.Status_STATUS_OK {
		t.Fatalf("ghost: %v, %v", r, err)
	}
}
