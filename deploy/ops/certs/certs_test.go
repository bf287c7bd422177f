package certs_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/oortim/oort/deploy/ops/certs"
	"github.com/oortim/oort/deploy/ops/certs/certstest"
	"github.com/oortim/oort/deploy/ops/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, cfg certs.Config) *certs.Certs {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	c, err := certs.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// of is a configuration with a pair and an authority.
func of(p certstest.Pair, ca *certstest.CA) certs.Config {
	cfg := certs.Config{Cert: p.Cert, Key: p.Key}
	if ca != nil {
		cfg.CA = ca.File
	}
	return cfg
}

// server shakes hands with whoever comes, and says with what outcome.
type server struct {
	addr     string
	outcomes chan error
}

func serve(t *testing.T, c *certs.Certs) *server {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c.Server())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: l.Addr().String(), outcomes: make(chan error, 16)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			err = conn.(*tls.Conn).HandshakeContext(t.Context())
			if err == nil {
				_, err = conn.Write([]byte("hello"))
			}
			s.outcomes <- err
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return s
}

// call connects, reads the greeting, and returns what each side made of it, and
// the server's certificate.
func (s *server) call(t *testing.T, c *certs.Certs) (client, server error, subject string) {
	t.Helper()
	conn, err := c.DialContext(t.Context(), "tcp", s.addr)
	if err == nil {
		subject = conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
		_, err = conn.Read(make([]byte, 5))
		conn.Close()
	}
	return err, <-s.outcomes, subject
}

func TestHandshakes(t *testing.T) {
	ca, other := certstest.New(t), certstest.New(t)
	good, stranger := ca.Issue("good"), other.Issue("stranger")
	elsewhere := certs.Config{CA: ca.File, ServerName: "elsewhere"}
	named := of(good, ca)
	named.Peers = []string{"comet", "job"}
	for name, row := range map[string]struct {
		server, client certs.Config
		clientSays     string // "" means that it is served
		serverSays     string
	}{
		"TLS only":              {server: of(good, nil), client: of(certstest.Pair{}, ca)},
		"mutual":                {server: of(good, ca), client: of(ca.Issue("me"), ca)},
		"server of another CA":  {server: of(stranger, nil), client: of(certstest.Pair{}, ca), clientSays: "unknown authority", serverSays: "bad certificate"},
		"server of other name":  {server: of(good, nil), client: elsewhere, clientSays: "not elsewhere", serverSays: "bad certificate"},
		"server by its name":    {server: of(good, nil), client: certs.Config{CA: ca.File, ServerName: "good"}},
		"caller of another CA":  {server: of(good, ca), client: of(stranger, ca), clientSays: "unknown certificate authority", serverSays: "unknown authority"},
		"caller without":        {server: of(good, ca), client: of(certstest.Pair{}, ca), clientSays: "certificate required", serverSays: "didn't provide a certificate"},
		"caller of wrong name":  {server: named, client: of(ca.Issue("logic"), ca), clientSays: "bad certificate", serverSays: `"logic"`},
		"caller of a good name": {server: named, client: of(ca.Issue("job"), ca)},
	} {
		clientErr, serverErr, _ := serve(t, open(t, row.server)).call(t, open(t, row.client))
		checkSays(t, name+": client", clientErr, row.clientSays)
		checkSays(t, name+": server", serverErr, row.serverSays)
	}
}

func checkSays(t *testing.T, who string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s says %v, want %q", who, err, want)
	}
}

// TestExpired: a certificate that ends while its owner runs is refused, with
// the reason, on both sides.
func TestExpired(t *testing.T) {
	ca := certstest.New(t)
	good := ca.Issue("good")
	end := time.Now().Add(1500 * time.Millisecond) // certificates count whole seconds
	dying := ca.IssueUntil(end, "dying")
	old := open(t, of(dying, ca))
	oldServer := serve(t, old)
	newServer, newClient := serve(t, open(t, of(good, ca))), open(t, of(good, ca))
	for limit := time.Now().Add(10 * time.Second); ; {
		clientErr, serverErr, _ := oldServer.call(t, newClient)
		if clientErr != nil {
			checkSays(t, "client", clientErr, "has expired")
			checkSays(t, "server", serverErr, "bad certificate")
			break
		}
		if time.Now().After(limit) {
			t.Fatal("an expired certificate is still taken")
		}
	}
	clientErr, serverErr, _ := newServer.call(t, old)
	checkSays(t, "client", clientErr, "expired certificate")
	checkSays(t, "server", serverErr, "has expired")
}

// TestRenewal: new files count from the next handshake on, on both sides;
// connections and files that are wrong change nothing.
func TestRenewal(t *testing.T) {
	ca := certstest.New(t)
	pair := ca.Issue("first")
	s := serve(t, open(t, of(pair, ca)))
	client := open(t, of(ca.Issue("me"), ca))
	call := func() string {
		t.Helper()
		clientErr, serverErr, subject := s.call(t, client)
		if clientErr != nil || serverErr != nil {
			t.Fatalf("client %v, server %v", clientErr, serverErr)
		}
		return subject
	}
	if got := call(); got != "first" {
		t.Fatalf("served by %q", got)
	}
	stays := func(why string) {
		t.Helper()
		for until := time.Now().Add(2*watch.Look + watch.Look/2); time.Now().Before(until); {
			if got := call(); got != "first" {
				t.Fatalf("served by %q with %s", got, why)
			}
		}
	}
	ca.Replace(pair, time.Now().Add(3*time.Hour), "early")
	stays("a certificate that is not valid yet")
	if err := os.WriteFile(pair.Key, []byte("half-written"), 0o600); err != nil {
		t.Fatal(err)
	}
	stays("files that do not fit")
	ca.Replace(pair, time.Now().Add(time.Hour), "second")
	for limit := time.Now().Add(10 * time.Second); call() != "second"; {
		if time.Now().After(limit) {
			t.Fatal("the renewed certificate is not shown")
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	ca := certstest.New(t)
	good, expired := ca.Issue("a"), ca.IssueUntil(time.Now().Add(-time.Second), "b")
	early := ca.IssueUntil(time.Now().Add(3*time.Hour), "c") // certificates of these tests are good for two
	for name, row := range map[string]struct {
		cfg  certs.Config
		want string
	}{
		"no key":         {certs.Config{Cert: good.Cert}, "go together"},
		"no certificate": {certs.Config{Key: good.Key}, "go together"},
		"another's key":  {certs.Config{Cert: good.Cert, Key: expired.Key}, "does not match"},
		"expired":        {of(expired, nil), "has expired"},
		"not valid yet":  {of(early, nil), "not valid yet"},
		"no file":        {certs.Config{CA: "/nonexistent/ca.pem"}, "/nonexistent/ca.pem"},
		"no CA in it":    {certs.Config{CA: good.Key}, "holds no certificate"},
	} {
		row.cfg.Log = slog.New(slog.DiscardHandler)
		_, err := certs.Open(row.cfg)
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, row.want)
		}
	}
	cfg := of(expired, nil)
	cfg.Log = slog.New(slog.DiscardHandler)
	if _, err := certs.Open(cfg); !errors.Is(err, certs.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
}

// TestExpiryMetric: it is that of the certificate in force.
func TestExpiryMetric(t *testing.T) {
	ca := certstest.New(t)
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	cfg := of(ca.IssueUntil(end, "a"), ca)
	reg := prometheus.NewRegistry()
	cfg.Metrics, cfg.Use = reg, "test"
	open(t, cfg)
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetGauge().GetValue() != float64(end.Unix()) {
		t.Errorf("%v, %v; want %d", families, err, end.Unix())
	}
}
