package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// JWKSConfig says where the keys are that tokens are signed with.
type JWKSConfig struct {
	// Source of a JSON Web Key Set: a file, or a URL. That is https, for whoever
	// can change the answer on its way can log anybody in; http on loopback.
	Source string
	// Algorithms that a token may be signed with: RS…, PS…, ES…, EdDSA, also of
	// several kinds. Required. A key is used for those of its kind, and if it says
	// for which one it is, for that one only.
	Algorithms []string
	// Refresh is how often the source is asked. Zero means 5 min for a URL and 5 s
	// for a file.
	Refresh time.Duration
	// Unknown is how often, at most, it is asked because of a key that is not
	// known. Zero means 10 s for a URL and 1 s for a file.
	Unknown time.Duration
	// Log tells of a source that is away. Nil means slog.Default().
	Log *slog.Logger
	// Metrics registers oort_PART_jwks_refreshes_total. Nil registers none.
	Metrics prometheus.Registerer
	// Part of oort that asks, for the metric's name: logic, comet.
	Part string
}

// JWKS are the keys of a source, as fresh as can be had. While the source is
// away, or says nothing sensible, the last keys stay good. A key that the source
// leaves out is refused from the next refresh on.
type JWKS struct {
	// immutable after OpenJWKS
	cfg     JWKSConfig
	fetch   func(context.Context) ([]byte, error)
	close   func()
	results *prometheus.CounterVec

	keys  atomic.Pointer[keySet]
	asked chan struct{} // of one place: somebody wants a refresh

	mu     sync.Mutex
	tried  time.Time // guarded by mu; begin of the last attempt
	wanted bool      // guarded by mu; an attempt is under way or will be
	failed bool      // guarded by mu; the last attempt

	stop context.CancelFunc
	done chan struct{}
}

// Bounds on a source.
const (
	maxSet       = 1 << 20 // bytes
	fetchTimeout = 5 * time.Second
)

// OpenJWKS asks the source for the first time, which must succeed before ctx is
// over. Close ends the asking.
func OpenJWKS(ctx context.Context, cfg JWKSConfig) (*JWKS, error) {
	if err := checkAlgorithms(cfg.Algorithms); err != nil {
		return nil, err
	}
	j := &JWKS{cfg: cfg, asked: make(chan struct{}, 1), done: make(chan struct{})}
	if err := j.open(); err != nil {
		return nil, err
	}
	if err := j.setUp(); err != nil {
		return nil, err
	}
	if err := j.refresh(ctx); err != nil {
		j.close()
		return nil, err
	}
	ctx, j.stop = context.WithCancel(context.Background())
	go j.run(ctx)
	return j, nil
}

func checkAlgorithms(algorithms []string) error {
	if len(algorithms) == 0 {
		return errors.New("token: jwks: no algorithm is named")
	}
	for _, algorithm := range algorithms {
		kind, err := kindOf([]string{algorithm})
		if err != nil {
			return err
		}
		if kind == "HMAC secret" {
			return fmt.Errorf("token: jwks: %q wants a secret, which is no key to publish", algorithm)
		}
	}
	return nil
}

// open decides how the source is asked.
func (j *JWKS) open() error {
	if !strings.Contains(j.cfg.Source, "://") {
		setDefault(&j.cfg.Refresh, 5*time.Second)
		setDefault(&j.cfg.Unknown, time.Second)
		j.fetch, j.close = func(context.Context) ([]byte, error) { return os.ReadFile(j.cfg.Source) }, func() {}
		return nil
	}
	setDefault(&j.cfg.Refresh, 5*time.Minute)
	setDefault(&j.cfg.Unknown, 10*time.Second)
	u, err := url.Parse(j.cfg.Source)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return errors.New("token: jwks: the URL is not https://host/path")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxResponseHeaderBytes: 16 << 10, IdleConnTimeout: time.Minute,
		DialContext: (&net.Dialer{Timeout: fetchTimeout}).DialContext, ForceAttemptHTTP2: true,
	}
	client := &http.Client{
		Transport: transport,
		// Who may redirect could have the keys come from anywhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	j.fetch = func(ctx context.Context) ([]byte, error) { return get(ctx, client, u.String()) }
	j.close = transport.CloseIdleConnections
	return nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// get fetches a set. The error names no URL, which may hold a secret.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("bad request")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxSet+1))
	if err != nil {
		return nil, withoutURL(err)
	}
	if len(text) > maxSet {
		return nil, fmt.Errorf("over %d bytes", maxSet)
	}
	return text, nil
}

func withoutURL(err error) error {
	var with *url.Error
	if errors.As(err, &with) {
		return with.Err
	}
	return err
}

func (j *JWKS) setUp() error {
	if j.cfg.Log == nil {
		j.cfg.Log = slog.Default()
	}
	j.results = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oort_" + j.cfg.Part + "_jwks_refreshes_total", Help: "Attempts to read the keys that tokens are signed with.",
	}, []string{"result"})
	j.results.WithLabelValues("failed") // so that the first one is seen as a rise
	if j.cfg.Metrics == nil {
		return nil
	}
	if err := j.cfg.Metrics.Register(j.results); err != nil {
		return fmt.Errorf("token: metrics: %w", err)
	}
	return nil
}

// Close ends the asking; the keys stay.
func (j *JWKS) Close() {
	j.stop()
	<-j.done
	j.close()
}

// run asks again and again.
func (j *JWKS) run(ctx context.Context) {
	defer close(j.done)
	tick := time.NewTicker(j.cfg.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-j.asked:
		}
		was := j.away()
		switch err := j.refresh(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil && !was:
			j.cfg.Log.Warn("token: no fresh keys; the last ones stay good", "err", err)
		case err == nil && was:
			j.cfg.Log.Info("token: keys are fresh again")
		}
	}
}

// refresh asks once.
func (j *JWKS) refresh(ctx context.Context) error {
	j.mu.Lock()
	j.tried, j.wanted = time.Now(), true
	j.mu.Unlock()
	text, err := j.fetch(ctx)
	var set keySet
	if err != nil {
		err = fmt.Errorf("token: jwks: %w", err)
	} else if set, err = parseSet(text, j.cfg.Algorithms); err == nil {
		j.keys.Store(&set)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wanted, j.failed = false, err != nil
	result := "ok"
	if j.failed {
		result = "failed"
	}
	j.results.WithLabelValues(result).Inc()
	return err
}

func (j *JWKS) away() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// set is the keys as they are known.
func (j *JWKS) set() keySet { return *j.keys.Load() }

// missed has the source asked about a key that is not known, unless it was asked
// lately. It reports whether it may be known soon; that it may not is certain if
// the source has just been asked and answered.
func (j *JWKS) missed() (soon bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.wanted && time.Since(j.tried) >= j.cfg.Unknown {
		j.wanted = true
		select {
		case j.asked <- struct{}{}:
		default:
		}
	}
	return j.wanted || j.failed
}
