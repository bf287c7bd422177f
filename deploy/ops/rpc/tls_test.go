package rpc

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/deploy/ops/certs"
	"github.com/oortim/oort/deploy/ops/certs/certstest"
)

// logged is a log that may be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func openCerts(t *testing.T, p certstest.Pair, ca *certstest.CA) *certs.Certs {
	t.Helper()
	c, err := certs.Open(certs.Config{
		Cert: p.Cert, Key: p.Key, CA: ca.File, Protocols: Protocols(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMutualTLS: who shows a certificate of the right authority is served; the
// others are not, and both logs say why.
func TestMutualTLS(t *testing.T) {
	ca, other := certstest.New(t), certstest.New(t)
	for name, row := range map[string]struct {
		server, client         certstest.Pair
		believes               *certstest.CA // the client
		serverSays, clientSays string        // "" means that it is served
	}{
		"mutual":               {server: ca.Issue("s"), client: ca.Issue("c"), believes: ca},
		"caller of another CA": {server: ca.Issue("s"), client: other.Issue("c"), believes: ca, serverSays: "unknown authority"},
		"caller without":       {server: ca.Issue("s"), believes: ca, serverSays: "didn't provide a certificate"},
		"server of another CA": {server: ca.Issue("s"), client: ca.Issue("c"), believes: other, clientSays: "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			var serverLog, clientLog logged
			addr, _ := serve(t, &service{}, ServerConfig{Credentials: ServerTLS(openCerts(t, row.server, ca), serverLog.logger())})
			client := dialTLS(t, addr, openCerts(t, row.client, row.believes), &clientLog)
			served := row.serverSays+row.clientSays == ""
			if err := check(t, client, ""); served != (err == nil) || !served && status.Code(err) != codes.Unavailable {
				t.Errorf("%v", err)
			}
			waitFor(t, &serverLog, row.serverSays)
			waitFor(t, &clientLog, row.clientSays)
		})
	}
}

func dialTLS(t *testing.T, addr string, c *certs.Certs, log *logged) healthpb.HealthClient {
	t.Helper()
	conn, err := Dial([]string{addr}, DialConfig{Credentials: ClientTLS(c, log.logger())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return healthpb.NewHealthClient(conn)
}

// waitFor waits until a log has said something.
func waitFor(t *testing.T, log *logged, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !strings.Contains(log.String(), want) {
		select {
		case <-ctx.Done():
			t.Fatalf("log %q, want %q", log, want)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestPlaintextMeetsTLS: neither side serves the other.
func TestPlaintextMeetsTLS(t *testing.T) {
	ca := certstest.New(t)
	var log logged
	secure, _ := serve(t, &service{}, ServerConfig{Credentials: ServerTLS(openCerts(t, ca.Issue("s"), ca), log.logger())})
	if err := check(t, dial(t, secure), ""); status.Code(err) != codes.Unavailable {
		t.Errorf("plaintext to TLS: %v", err)
	}
	plain, _ := serve(t, &service{}, ServerConfig{})
	client := dialTLS(t, plain, openCerts(t, ca.Issue("c"), ca), &log)
	if err := check(t, client, ""); status.Code(err) != codes.Unavailable {
		t.Errorf("TLS to plaintext: %v", err)
	}
}

// TestRenewedCredentials: a client whose certificate is replaced is served by a
// server that believes only the new authority, without being made anew.
func TestRenewedCredentials(t *testing.T) {
	ca, next := certstest.New(t), certstest.New(t)
	var log logged
	addr, _ := serve(t, &service{}, ServerConfig{Credentials: ServerTLS(openCerts(t, ca.Issue("s"), next), log.logger())})
	pair := ca.Issue("c")
	client := dialTLS(t, addr, openCerts(t, pair, ca), &log)
	if err := check(t, client, ""); err == nil {
		t.Fatal("a caller of the old authority is served")
	}
	next.Replace(pair, time.Now().Add(time.Hour), "c")
	for limit := time.Now().Add(20 * time.Second); check(t, client, "") != nil; {
		if time.Now().After(limit) {
			t.Fatalf("not served with the renewed certificate: %s", &log)
		}
	}
}
