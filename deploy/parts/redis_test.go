package parts

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/deploy/e2e/rig"
	"github.com/oortim/oort/deploy/ops/certs/certstest"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/logic/session/sessiontest"
)

// openRedis opens what flags say.
func openRedis(t *testing.T, f RedisFlags) (*session.Redis, error) {
	t.Helper()
	cfg, err := f.config(quiet)
	if err != nil {
		return nil, err
	}
	r, err := session.OpenRedis(t.Context(), cfg)
	if err == nil {
		t.Cleanup(r.Close)
	}
	return r, err
}

func loginOnce(r *session.Redis) error {
	return r.Connect(context.Background(), []logic.Login{{Key: "k", Mid: 1, Server: "c1@1", Link: 1}})[0].Err
}

// startTLSRedis runs a Redis that wants a certificate of ca and has a user oort;
// it returns its TLS address.
func startTLSRedis(t *testing.T, ca *certstest.CA) string {
	t.Helper()
	addr, pair := rig.FreePort(t, "127.0.0.1"), ca.Issue("store")
	_, port, _ := net.SplitHostPort(addr)
	sessiontest.StartRedis(t,
		"--tls-port", port, "--tls-cert-file", pair.Cert, "--tls-key-file", pair.Key, "--tls-ca-cert-file", ca.File,
		"--user", "oort", "on", ">"+strings.ReplaceAll(password, " ", "-"), "~*", "&*", "+@all")
	return addr
}

func TestRedisTLS(t *testing.T) {
	t.Parallel()
	ca, other := certstest.New(t), certstest.New(t)
	addr, me, stranger := startTLSRedis(t, ca), ca.Issue("me"), other.Issue("stranger")
	secret := strings.ReplaceAll(password, " ", "-")
	right, wrong := secretFile(t, secret), secretFile(t, "wrong-"+secret)
	good := RedisFlags{Redis: []string{addr}, RedisCA: ca.File, RedisCert: me.Cert, RedisKey: me.Key, RedisUser: "oort", RedisPasswordFile: right}
	for name, row := range map[string]struct {
		change func(*RedisFlags)
		want   string
	}{
		"good":             {func(*RedisFlags) {}, ""},
		"by its name":      {func(f *RedisFlags) { f.RedisServerName = "store" }, ""},
		"wrong password":   {func(f *RedisFlags) { f.RedisPasswordFile = wrong }, "WRONGPASS"},
		"other CA":         {func(f *RedisFlags) { f.RedisCA = other.File }, "unknown authority"},
		"system's CA":      {func(f *RedisFlags) { f.RedisCA = "" }, "unknown authority"},
		"other name":       {func(f *RedisFlags) { f.RedisServerName = "elsewhere" }, "elsewhere"},
		"no certificate":   {func(f *RedisFlags) { f.RedisCert, f.RedisKey = "", "" }, "session: redis"},
		"stranger":         {func(f *RedisFlags) { f.RedisCert, f.RedisKey = stranger.Cert, stranger.Key }, "session: redis"},
		"plaintext":        {func(f *RedisFlags) { f.RedisCA, f.RedisCert, f.RedisKey = "", "", "" }, "redis"},
		"sentinel's login": {func(f *RedisFlags) { f.RedisSentinelUser = "x" }, "--redis-sentinel"},
	} {
		f := good
		row.change(&f)
		r, err := openRedis(t, f)
		if err == nil {
			err = loginOnce(r)
		}
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds the password: %v", name, err)
		}
	}
}

// TestRedisClusterTLS: of a cluster's nodes, too, it is the TLS port that is
// dialled. A node that has all slots is a cluster.
func TestRedisClusterTLS(t *testing.T) {
	t.Parallel()
	ca := certstest.New(t)
	addr, pair := rig.FreePort(t, "127.0.0.1"), ca.Issue("store")
	_, port, _ := net.SplitHostPort(addr)
	node := sessiontest.StartRedis(t, "--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-announce-ip", "127.0.0.1",
		"--tls-port", port, "--tls-cert-file", pair.Cert, "--tls-key-file", pair.Key, "--tls-ca-cert-file", ca.File, "--tls-auth-clients", "no")
	conn, err := net.Dial("tcp", node.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "CLUSTER ADDSLOTSRANGE 0 16383\r\n"); err != nil {
		t.Fatal(err)
	}
	var r *session.Redis
	rig.WaitFor(t, "the cluster serves", func() (err error) {
		if r, err = openRedis(t, RedisFlags{Redis: []string{addr}, RedisCA: ca.File}); err == nil {
			err = loginOnce(r)
		}
		return err
	})
}

// TestSentinel: logic finds the master by its sentinel, and its successor after
// it has died.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := sessiontest.StartRedis(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(master.Addr)
	sessiontest.StartRedis(t, "--replicaof", host, port)
	sentinel := sessiontest.StartSentinel(t, master, "guard")
	flags := RedisFlags{
		Redis: []string{sentinel.Addr}, RedisSentinel: sessiontest.Master, RedisSentinelPasswordFile: secretFile(t, "guard"),
	}
	var r *session.Redis
	rig.WaitFor(t, "the sentinel names a master", func() (err error) { r, err = openRedis(t, flags); return err })
	if err := loginOnce(r); err != nil {
		t.Fatal(err)
	}
	sentinel.KnowsReplica()
	master.Kill()
	began := time.Now()
	rig.WaitFor(t, "logins work at the new master", func() error { return loginOnce(r) })
	t.Logf("the successor was in use %v after the master's death", time.Since(began).Round(time.Millisecond))
}
