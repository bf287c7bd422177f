// Package httpapi is logic's HTTP API: goim's own under /goim, with its query
// names and its {"code","message","data"}, and /v1 with real status codes.
//
// # Status codes of /v1
//
//	200  stored (a push), or the answer
//	207  a batch of pushes with different outcomes; each result tells its own
//	400  the request is wrong; error.reason says what
//	401  a bearer key is required and none, or an unknown one, was sent
//	403  the key is not for this, or a browser page of another site, or another
//	     host name, asks
//	404, 405, 415  no such path, method, or media type
//	413  over a limit
//	429  over the rate; Retry-After says when
//	503  surely not stored; try again after Retry-After
//	504  unknown: it may be stored; try again with the same id
//
// Errors are {"error":{"reason":"…","message":"…"}}.
package httpapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"github.com/oortim/oort/logic"
)

// Options of the API.
type Options struct {
	// Keys returns the bearer keys that are good now, one of which every request
	// must show, but those for the page, for /healthz and for the list of nodes,
	// which clients ask. It is asked at each request. Nil: the API is open, and
	// answers only to requests that name this host by its address or as localhost.
	Keys func() Keys
	// Page is served at / and below, where nothing else is. Nil: 404.
	Page http.Handler

	// BodyBytes is the largest message. Zero means 64 KiB; keep it equal to
	// logic.Limits.BodyBytes.
	BodyBytes int64
	// RequestBytes is the largest request body of /v1. Zero means 1 MiB.
	RequestBytes int64
	// Batch is the largest number of pushes in a request. Zero means 1,000.
	Batch int
	// Timeout bounds the work on a request. Zero means 5 s.
	Timeout time.Duration
	// InFlight is how many requests are served at once; beyond it they are
	// answered 503. Zero means 1,024.
	InFlight int
	// Rate is how many requests a second one bearer key (or, without keys,
	// everybody together) may make; beyond it they are answered 429. Zero means
	// no limit.
	Rate rate.Limit

	// Proxies are those whose X-Forwarded-For says where a client is. None: a
	// client is where its request comes from.
	Proxies []netip.Prefix

	// Log takes panics and, in the group "audit", a line for each administrative
	// request. Nil means slog.Default().
	Log *slog.Logger
	// Metrics registers this package's metrics. Nil registers none.
	Metrics prometheus.Registerer
	// Tracer opens a span for each push. Nil means none.
	Tracer trace.Tracer
}

func (o Options) withDefaults() Options {
	setDefault(&o.BodyBytes, 64<<10)
	setDefault(&o.RequestBytes, 1<<20)
	setDefault(&o.Batch, 1000)
	setDefault(&o.Timeout, 5*time.Second)
	setDefault(&o.InFlight, 1024)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// api is the state of one handler.
type api struct {
	svc     *logic.Service
	opt     Options
	guard   *guard
	audit   auditor
	slots   chan struct{}
	metrics *metrics
}

// New returns the API over svc. The error is one of registering metrics.
func New(svc *logic.Service, opt Options) (http.Handler, error) {
	opt = opt.withDefaults()
	a := &api{svc: svc, opt: opt, guard: newGuard(opt), audit: newAuditor(opt.Log), slots: make(chan struct{}, opt.InFlight)}
	var err error
	if a.metrics, err = newMetrics(opt.Metrics); err != nil {
		return nil, err
	}
	return a.routes(), nil
}

// Server returns an HTTP server for h with the limits that a public port
// needs: a client that drips its request is cut off, and so is one that does
// not read the answer.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
