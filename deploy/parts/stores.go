package parts

import (
	"context"
	"log/slog"
	"net"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/ops/certs"
	"github.com/oortim/oort/deploy/ops/watch"
)

// What Redis and Kafka share: TLS and passwords.

// tlsFlags are the flags --PREFIX-tls, -ca, -cert, -key and -server-name.
type tlsFlags struct {
	on                  bool
	ca, cert, key, name string
}

// dialer opens connections.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// tlsDialer is the way to a store by TLS; nil if no flag asks for TLS.
func tlsDialer(prefix string, f tlsFlags, log *slog.Logger) (dialer, error) {
	if !f.on && f.ca+f.cert+f.key+f.name == "" {
		return nil, nil
	}
	c, err := certs.Open(certs.Config{Cert: f.cert, Key: f.key, CA: f.ca, ServerName: f.name, Log: log})
	if err != nil {
		return nil, ops.Usagef("--%s-ca, --%[1]s-cert, --%[1]s-key: %[2]w", prefix, err)
	}
	return c.DialContext, nil
}

// login returns who to log in as, now; nil if nobody is named. A password in a
// file may be changed while the process runs. flag is the name of the password's.
func login(flag, user, password, file string, log *slog.Logger) (func() (user, password string), error) {
	switch {
	case password != "" && file != "":
		return nil, ops.Usagef("--%s and --%[1]s-file are both set", flag)
	case user == "" && password == "" && file == "":
		return nil, nil
	case file == "":
		return func() (string, string) { return user, password }, nil
	}
	secret, err := watch.Open(log, func() (string, error) { return watch.Secret(file) }, file)
	if err != nil {
		return nil, ops.Usagef("--%s-file: %w", flag, err)
	}
	return func() (string, string) { return user, secret.Load() }, nil
}
