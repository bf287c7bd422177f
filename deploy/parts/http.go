package parts

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"golang.org/x/time/rate"

	"github.com/oortim/oort/client/js"
	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/ops/certs"
	"github.com/oortim/oort/deploy/ops/watch"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/httpapi"
)

// HTTPFlags say where pushers and browsers reach logic, and which of them.
type HTTPFlags struct {
	HTTP     string  `name:"http" default:"127.0.0.1:3111" placeholder:"HOST:PORT" help:"Where the HTTP API and the page are."`
	HTTPCert string  `name:"http-cert" placeholder:"FILE" help:"Certificate (PEM) for HTTPS at --http. Renewed files are taken without a restart."`
	HTTPKey  string  `name:"http-key" placeholder:"FILE" help:"Its key."`
	APIKeys  string  `placeholder:"FILE" type:"existingfile" help:"Bearer keys of the HTTP API, a line each: name:key, or name:key:scope,… of push, read and admin. A changed file counts at once. Required beyond loopback."`
	APIRate  float64 `default:"0" help:"Requests a second that one bearer key may make; 0: no limit."`
}

// serveHTTP serves the API and the page.
func (b *base) serveHTTP(f *LogicFlags, svc *logic.Service) (addr string, err error) {
	if err := checkAddrs("http", f.HTTP); err != nil {
		return "", err
	}
	opt := httpapi.Options{
		Page: js.Handler(), BodyBytes: int64(f.MaxBody), Rate: rate.Limit(f.APIRate), Log: b.log, Metrics: b.admin.Registry(),
		Tracer: b.tracer,
	}
	if opt.Proxies, err = f.proxies(); err != nil {
		return "", err
	}
	switch {
	case f.APIKeys != "":
		keys, err := watch.Open(b.log, func() (httpapi.Keys, error) { return readKeys(f.APIKeys) }, f.APIKeys)
		if err != nil {
			return "", err
		}
		opt.Keys = keys.Load
	case !loopback(f.HTTP):
		return "", ops.Usagef("--http: %q is not loopback, so whoever reaches it could push; set --api-keys", f.HTTP)
	}
	h, err := httpapi.New(svc, opt)
	if err != nil {
		return "", err
	}
	s := httpapi.Server(h)
	// Mostly of handshakes that strangers broke off, as often as they like.
	s.ErrorLog = slog.NewLogLogger(b.log.Handler(), slog.LevelDebug)
	serve, err := f.HTTPFlags.tls(s, b.telling())
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", f.HTTP)
	if err != nil {
		return "", err
	}
	b.opened.add("HTTP", s.Shutdown)
	go func() {
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			b.failed <- err
		}
	}()
	return l.Addr().String(), nil
}

// tls gives s certificates, if there are any, and returns how it is to serve.
func (f *HTTPFlags) tls(s *http.Server, to telling) (serve func(net.Listener) error, err error) {
	if f.HTTPCert == "" && f.HTTPKey == "" {
		return s.Serve, nil
	}
	c, err := certs.Open(certs.Config{
		Cert: f.HTTPCert, Key: f.HTTPKey, Protocols: []string{"h2", "http/1.1"}, Log: to.log, Metrics: to.metrics, Use: "http",
	})
	if err != nil {
		return nil, ops.Usagef("--http-cert, --http-key: %w", err)
	}
	s.TLSConfig = c.Server()
	return func(l net.Listener) error { return s.ServeTLS(l, "", "") }, nil
}

func readKeys(file string) (httpapi.Keys, error) {
	r, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	keys, err := httpapi.ReadKeys(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return keys, nil
}
