// Package certs makes TLS configurations of files that are renewed while the
// process runs. Each handshake takes what the files say then; connections that
// stand are left alone.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/deploy/ops/watch"
)

// Errors of Open, and of a handshake.
var (
	// ErrHalf: a certificate without its key, or the other way round.
	ErrHalf = errors.New("certs: a certificate and its key go together")
	// ErrExpired: the certificate in the file is of no use any more.
	ErrExpired = errors.New("certs: the certificate has expired")
	// ErrEarly: the certificate in the file is of no use yet.
	ErrEarly = errors.New("certs: the certificate is not valid yet")
	// ErrPeer: the caller's certificate is good, but none of its names is wanted.
	ErrPeer = errors.New("certs: the peer's certificate bears none of the wanted names")
)

// Config of Open. The zero value of a field means its default.
type Config struct {
	// Cert and Key are PEM files, the certificate's intermediates behind it. Empty
	// means that this side shows none; a server needs them.
	Cert, Key string
	// CA is a PEM file with those whose signature is believed. Empty means: as a
	// client, the system's; as a server, callers need no certificate. With it they
	// need one.
	CA string
	// ServerName that a server's certificate must bear, in place of the host that
	// was dialled. Empty means that host.
	ServerName string
	// Peers are the names, one of which a caller's certificate must bear. Empty
	// means that whatever CA has signed will do.
	Peers []string
	// Protocols that a server offers, as in "h2". Empty means none.
	Protocols []string
	// MinVersion of TLS. Zero means 1.2.
	MinVersion uint16
	// Log is told when files were read again, or could not be. Required.
	Log *slog.Logger
	// Metrics registers when the certificate in force ends, under the label Use.
	// Nil registers nothing.
	Metrics prometheus.Registerer
	Use     string
}

// Certs are the certificates that files hold now.
type Certs struct {
	cfg   Config
	files *watch.Files[*material]
}

// material is made of one state of the files.
type material struct {
	cert   *tls.Certificate // nil without
	roots  *x509.CertPool   // nil means the system's
	server *tls.Config
}

// Open reads the files for the first time. An error is one line that names the
// file.
func Open(cfg Config) (*Certs, error) {
	if (cfg.Cert == "") != (cfg.Key == "") {
		return nil, fmt.Errorf("%w: %q and %q", ErrHalf, cfg.Cert, cfg.Key)
	}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	c := &Certs{cfg: cfg}
	paths := slices.DeleteFunc([]string{cfg.Cert, cfg.Key, cfg.CA}, func(s string) bool { return s == "" })
	var err error
	if c.files, err = watch.Open(cfg.Log, c.read, paths...); err != nil {
		return nil, err
	}
	return c, c.register()
}

// register tells when the own certificate ends: one that nobody renews makes no
// noise until the day on which nothing connects any more.
func (c *Certs) register() error {
	if c.cfg.Metrics == nil || c.cfg.Cert == "" {
		return nil
	}
	err := c.cfg.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "oort_certificate_expiry_timestamp_seconds",
		Help:        "When the certificate that is shown ends.",
		ConstLabels: prometheus.Labels{"use": c.cfg.Use},
	}, func() float64 { return float64(c.files.Load().cert.Leaf.NotAfter.Unix()) }))
	if err != nil {
		return fmt.Errorf("certs: metrics: %w", err)
	}
	return nil
}

func (c *Certs) read() (*material, error) {
	m := new(material)
	var err error
	if c.cfg.Cert != "" {
		if m.cert, err = readPair(c.cfg.Cert, c.cfg.Key); err != nil {
			return nil, err
		}
	}
	if c.cfg.CA != "" {
		if m.roots, err = readRoots(c.cfg.CA); err != nil {
			return nil, err
		}
	}
	m.server = c.serverOf(m)
	return m, nil
}

func readPair(certFile, keyFile string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("certs: %q with key %q: %w", certFile, keyFile, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certs: %q: %w", certFile, err)
		}
	}
	switch leaf, now := pair.Leaf, time.Now(); {
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("%w: %q, on %s", ErrExpired, certFile, leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore): // a renewal that came early; the old one stands until it counts
		return nil, fmt.Errorf("%w: %q, before %s", ErrEarly, certFile, leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return &pair, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certs: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certs: %q holds no certificate", file)
	}
	return roots, nil
}

// serverOf is what a server answers a handshake with. Sessions are not resumed
// where callers show certificates: each connection is to prove itself to what
// the files say now.
func (c *Certs) serverOf(m *material) *tls.Config {
	cfg := &tls.Config{MinVersion: c.cfg.MinVersion, NextProtos: c.cfg.Protocols}
	if m.cert != nil {
		cfg.Certificates = []tls.Certificate{*m.cert}
	}
	if m.roots == nil {
		return cfg
	}
	cfg.ClientCAs, cfg.ClientAuth = m.roots, tls.RequireAndVerifyClientCert
	cfg.SessionTicketsDisabled = true
	if len(c.cfg.Peers) > 0 {
		cfg.VerifyConnection = c.checkPeer
	}
	return cfg
}

// checkPeer looks at the names of a caller whose certificate is verified.
func (c *Certs) checkPeer(state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	for _, name := range append([]string{leaf.Subject.CommonName}, leaf.DNSNames...) {
		if name != "" && slices.Contains(c.cfg.Peers, name) {
			return nil
		}
	}
	return fmt.Errorf("%w: it is %q, for %q", ErrPeer, leaf.Subject.CommonName, leaf.DNSNames)
}

// Server is the configuration of a listener.
func (c *Certs) Server() *tls.Config {
	return &tls.Config{
		MinVersion: c.cfg.MinVersion, NextProtos: c.cfg.Protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.files.Load().server, nil },
	}
}

// Client is the configuration of one handshake with a server. Its ServerName is
// Config's, hence empty where the host decides.
func (c *Certs) Client() *tls.Config {
	m := c.files.Load()
	cfg := &tls.Config{MinVersion: c.cfg.MinVersion, RootCAs: m.roots, ServerName: c.cfg.ServerName}
	if m.cert != nil {
		// Whatever authorities the server names: it can then say what it has
		// against this certificate, and not only that there was none.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return m.cert, nil }
	}
	return cfg
}

// dialTimeout bounds a connection with its handshake.
const dialTimeout = 5 * time.Second

// DialContext connects to a TLS server at addr. The connection is a *tls.Conn.
func (c *Certs) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: c.Client()}
	return d.DialContext(ctx, network, addr)
}
