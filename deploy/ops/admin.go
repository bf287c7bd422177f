package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// AdminFlags are the flags of the admin server, for a command to embed.
type AdminFlags struct {
	Admin       string `default:"127.0.0.1:3110" placeholder:"HOST:PORT" help:"Address of metrics, profiles and health; empty for none."`
	AdminPublic bool   `help:"Let --admin listen beyond loopback. It has no authentication: whoever reaches it can profile the process."`
}

// ErrNotLoopback refuses an admin address that others could reach.
var ErrNotLoopback = errors.New("not a loopback address")

// Admin serves /metrics, /healthz, /readyz, /debug/pprof/ and /debug/loglevel,
// on a port of its own so that nothing of it shares an address with clients.
type Admin struct {
	// immutable after OpenAdmin
	registry *prometheus.Registry
	server   *http.Server
	listener net.Listener // nil without an address
	served   chan struct{}

	checks checks
}

// OpenAdmin listens as flags say and serves until Close. An empty address
// listens nowhere; registry and checks work all the same. log gets what the
// HTTP server has to say; level is what /debug/loglevel changes.
func OpenAdmin(flags AdminFlags, log *slog.Logger, level *slog.LevelVar) (*Admin, error) {
	a := &Admin{registry: newRegistry(), served: make(chan struct{})}
	a.checks.start = time.Now()
	if flags.Admin == "" {
		close(a.served)
		return a, nil
	}
	var err error
	if a.listener, err = listenAdmin(flags); err != nil {
		return nil, err
	}
	handler := a.routes(log, level)
	if !flags.AdminPublic {
		handler = onlyLocalHost(handler)
	}
	a.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		// A CPU profile or a trace takes as long as it was asked for.
		WriteTimeout:   5 * time.Minute,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(a.served)
		if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("admin server ended", "err", err)
		}
	}()
	return a, nil
}

func listenAdmin(flags AdminFlags) (net.Listener, error) {
	l, err := net.Listen("tcp", flags.Admin)
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	// The address decides, not its spelling: "localhost" may be anything.
	if at, err := netip.ParseAddrPort(l.Addr().String()); err != nil || !at.Addr().Unmap().IsLoopback() && !flags.AdminPublic {
		l.Close()
		return nil, Usagef("--admin %q: %w; it has no authentication, so say --admin-public if only trusted hosts reach it", flags.Admin, ErrNotLoopback)
	}
	return l, nil
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	b := ReadBuild()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "oort_build_info",
		Help:        "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go": b.Go},
	}, func() float64 { return 1 })
	r.MustRegister(build,
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsGC, collectors.MetricsScheduler)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Registry is where the parts of the process register their metrics. It is
// not prometheus' global one, so that nothing registers itself unasked.
func (a *Admin) Registry() *prometheus.Registry { return a.registry }

// Addr is the address listened on, nil if none.
func (a *Admin) Addr() net.Addr {
	if a.listener == nil {
		return nil
	}
	return a.listener.Addr()
}

// Close stops serving. Requests under way may finish until ctx is over.
func (a *Admin) Close(ctx context.Context) error {
	if a.listener == nil {
		return nil
	}
	err := a.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, a.server.Close())
	}
	<-a.served
	return err
}

func (a *Admin) routes(log *slog.Logger, level *slog.LevelVar) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{
		Registry: a.registry, MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	}))
	mux.HandleFunc("GET /healthz", a.checks.healthz)
	mux.HandleFunc("GET /readyz", a.checks.readyz)
	mux.HandleFunc("GET /debug/loglevel", showLevel(level))
	mux.HandleFunc("PUT /debug/loglevel", setLevel(log, level))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", showProgram)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// showProgram is in place of pprof's cmdline, which prints the arguments and with
// them a password that somebody gave there. Tools take only the name from it.
func showProgram(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	fmt.Fprint(w, os.Args[0])
}

// onlyLocalHost refuses requests whose Host is a name: a page of some site
// whose name was made to point at 127.0.0.1 (DNS rebinding) would otherwise
// read profiles through its visitor's browser.
func onlyLocalHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalHost(r.Host) {
			http.Error(w, "Host is not this machine", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocalHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func showLevel(level *slog.LevelVar) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, level.Level()) }
}

// setLevel takes the level as the body: debug, info, warn, error.
func setLevel(log *slog.Logger, level *slog.LevelVar) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		was := level.Level()
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
		if err == nil {
			err = level.UnmarshalText(text)
		}
		if err != nil {
			http.Error(w, fmt.Sprintf("want debug, info, warn or error: %v", err), http.StatusBadRequest)
			return
		}
		// A quieter level must not hide that it was set.
		log.Log(r.Context(), max(was, level.Level(), slog.LevelInfo), "log level set", slog.Group("audit",
			slog.String("who", "(admin)"), slog.String("from", r.RemoteAddr), slog.String("status", "200"),
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("body", level.Level().String())))
		fmt.Fprintln(w, level.Level())
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader has gone if it fails
}
