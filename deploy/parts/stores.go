package parts

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/ops/certs"
	"github.com/oortim/oort/deploy/ops/watch"
)

// What Redis and Kafka share: TLS and passwords.

// telling is where news of files goes.
type telling struct {
	log     *slog.Logger
	metrics prometheus.Registerer // nil means nowhere
}

func (b *base) telling() telling { return telling{b.log, b.admin.Registry()} }

// tlsFlags are the flags --PREFIX-tls, -ca, -cert, -key and -server-name.
type tlsFlags struct {
	on                  bool
	ca, cert, key, name string
}

// open reads the files; nil if no flag asks for TLS.
func (f tlsFlags) open(prefix string, to telling) (*certs.Certs, error) {
	if !f.on && f.ca+f.cert+f.key+f.name == "" {
		return nil, nil
	}
	c, err := certs.Open(certs.Config{Cert: f.cert, Key: f.key, CA: f.ca, ServerName: f.name, Log: to.log, Metrics: to.metrics, Use: prefix})
	if err != nil {
		return nil, ops.Usagef("--%s-ca, --%[1]s-cert, --%[1]s-key: %[2]w", prefix, err)
	}
	return c, nil
}

// login returns who to log in as, now; nil if nobody is named. A password in a
// file may be changed while the process runs. flag is the name of the password's.
func login(flag, user, password, file string, to telling) (func() (user, password string), error) {
	switch {
	case password != "" && file != "":
		return nil, ops.Usagef("--%s and --%[1]s-file are both set", flag)
	case user == "" && password == "" && file == "":
		return nil, nil
	case file == "":
		return func() (string, string) { return user, password }, nil
	}
	secret, err := watch.Open(to.log, func() (string, error) { return watch.Secret(file) }, file)
	if err != nil {
		return nil, ops.Usagef("--%s-file: %w", flag, err)
	}
	return func() (string, string) { return user, secret.Load() }, nil
}
