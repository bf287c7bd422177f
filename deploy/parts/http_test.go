package parts

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/deploy/ops/certs/certstest"
	"github.com/oortim/oort/logic/httpapi"
)

// TestHTTPS: browsers and pushers are served by HTTP/2, with the certificate
// that the files hold now.
func TestHTTPS(t *testing.T) {
	ca := certstest.New(t)
	pair := ca.Issue("first")
	f := HTTPFlags{HTTPCert: pair.Cert, HTTPKey: pair.Key}
	s := httpapi.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	s.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	serve, err := f.tls(s, quiet)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	url := "https://" + l.Addr().String()

	subject, proto, err := request(ca, url)
	if err != nil || subject != "first" || proto != "HTTP/2.0" {
		t.Fatalf("%q by %s: %v", subject, proto, err)
	}
	if _, _, err := request(certstest.New(t), url); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("with another authority: %v", err)
	}
	ca.Replace(pair, time.Now().Add(time.Hour), "second")
	for limit := time.Now().Add(10 * time.Second); subject != "second"; {
		if subject, _, err = request(ca, url); err != nil || time.Now().After(limit) {
			t.Fatalf("after the renewal: %q, %v", subject, err)
		}
	}
}

// request makes a request on a connection of its own.
func request(ca *certstest.CA, url string) (subject, proto string, err error) {
	pem, err := os.ReadFile(ca.File)
	if err != nil {
		return "", "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.TLS.PeerCertificates[0].Subject.CommonName, string(body), err
}

func TestHTTPSFlags(t *testing.T) {
	ca := certstest.New(t)
	pair, expired := ca.Issue("a"), ca.IssueUntil(time.Now().Add(-time.Minute), "b")
	for name, f := range map[string]HTTPFlags{
		"no key": {HTTPCert: pair.Cert}, "no certificate": {HTTPKey: pair.Key}, "expired": {HTTPCert: expired.Cert, HTTPKey: expired.Key},
	} {
		if _, err := f.tls(&http.Server{}, quiet); err == nil || !strings.HasPrefix(err.Error(), "--http-cert") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGRPCFlags(t *testing.T) {
	ca := certstest.New(t)
	pair := ca.Issue("a")
	mutual := GRPCFlags{GRPCCert: pair.Cert, GRPCKey: pair.Key, GRPCCA: ca.File}
	for name, row := range map[string]struct {
		flags GRPCListenFlags
		addr  string
		in    bool   // callers need TLS
		out   bool   // others are called by TLS
		want  string // in the error
	}{
		"plain on loopback":     {addr: "127.0.0.1:0"},
		"plain beyond":          {addr: "0.0.0.0:0", want: "--grpc-open-public"},
		"plain beyond, told so": {addr: "0.0.0.0:0", flags: GRPCListenFlags{GRPCOpenPublic: true}},
		"mutual beyond":         {addr: ":0", flags: GRPCListenFlags{GRPCFlags: mutual}, in: true, out: true},
		"mutual with names":     {addr: ":0", flags: GRPCListenFlags{GRPCFlags: mutual, GRPCPeers: []string{"job"}}, in: true, out: true},
		"TLS for nobody in particular": {
			addr: "0.0.0.0:0", flags: GRPCListenFlags{GRPCFlags: GRPCFlags{GRPCCert: pair.Cert, GRPCKey: pair.Key}}, want: "--grpc-ca",
		},
		"TLS only on loopback":  {addr: "127.0.0.1:0", flags: GRPCListenFlags{GRPCFlags: GRPCFlags{GRPCCert: pair.Cert, GRPCKey: pair.Key}}, in: true, out: true},
		"authority without own": {addr: "127.0.0.1:0", flags: GRPCListenFlags{GRPCFlags: GRPCFlags{GRPCCA: ca.File}}, want: "--grpc-cert"},
		"names without":         {addr: "127.0.0.1:0", flags: GRPCListenFlags{GRPCPeers: []string{"job"}}, want: "--grpc-peers"},
		"server name without":   {addr: "127.0.0.1:0", flags: GRPCListenFlags{GRPCFlags: GRPCFlags{GRPCServerName: "x"}}, want: "--grpc-server-name"},
		"half a pair":           {addr: "127.0.0.1:0", flags: GRPCListenFlags{GRPCFlags: GRPCFlags{GRPCCert: pair.Cert}}, want: "go together"},
		"no port":               {addr: "127.0.0.1", want: "--grpc"},
	} {
		w, err := row.flags.ways(row.addr, quiet)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
		if err == nil && ((w.in != nil) != row.in || (w.out != nil) != row.out) {
			t.Errorf("%s: in %v, out %v", name, w.in, w.out)
		}
	}
}
