package ops

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// checkTimeout is how long one readiness check may take. Probes of
// orchestrators give up after a second or more.
const checkTimeout = 900 * time.Millisecond

// checks are the named conditions of readiness.
type checks struct {
	start time.Time // immutable

	mu       sync.Mutex // guards what follows
	named    []*check
	draining string // why no more work is wanted; "" while it is
}

// check is one condition. Its function runs at most once at a time: one that
// hangs is not started again, so probes cannot pile goroutines up.
type check struct {
	name string
	ask  func(context.Context) error

	mu      sync.Mutex // guards running
	running *asking
}

// asking is one run of a check's function.
type asking struct {
	done chan struct{} // closed when err is set
	err  error
}

// CheckResult is what one check found.
type CheckResult struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Ready bool `json:"ready"`
	// Draining says why the process wants no more work.
	Draining      string        `json:"draining,omitempty"`
	UptimeSeconds int64         `json:"uptime_s"`
	Version       string        `json:"version"`
	Checks        []CheckResult `json:"checks"`
}

// Check adds a condition of readiness, such as "redis". ask should return when
// its context is over; a nil error means that the condition holds. It is called
// from a goroutine of its own, once at a time, for each request that asks.
func (a *Admin) Check(name string, ask func(context.Context) error) {
	a.checks.mu.Lock()
	defer a.checks.mu.Unlock()
	a.checks.named = append(a.checks.named, &check{name: name, ask: ask})
}

// Drain makes /readyz fail from now on, with why as the reason, so that load
// balancers look elsewhere before the listeners close.
func (a *Admin) Drain(why string) {
	a.checks.mu.Lock()
	defer a.checks.mu.Unlock()
	a.checks.draining = why
}

// healthz says that the process lives, whatever it waits for: an orchestrator
// that restarts a comet because Redis is away would close all its links.
func (c *checks) healthz(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, c.health(r.Context()))
}

// readyz says whether work should be sent here.
func (c *checks) readyz(w http.ResponseWriter, r *http.Request) {
	h := c.health(r.Context())
	status := http.StatusOK
	if !h.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, h)
}

func (c *checks) health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c.mu.Lock()
	named := c.named[:len(c.named):len(c.named)]
	h := Health{Draining: c.draining, Version: ReadBuild().Version, UptimeSeconds: int64(time.Since(c.start).Seconds())}
	c.mu.Unlock()

	h.Checks = make([]CheckResult, len(named))
	var all sync.WaitGroup
	for i, one := range named {
		all.Go(func() { h.Checks[i] = one.result(ctx) })
	}
	all.Wait()
	h.Ready = h.Draining == ""
	for _, r := range h.Checks {
		h.Ready = h.Ready && r.OK
	}
	return h
}

// result joins the run under way or starts one, and waits for it until ctx is
// over.
func (c *check) result(ctx context.Context) CheckResult {
	run := c.join(ctx)
	var err error
	select {
	case <-run.done:
		err = run.err
	case <-ctx.Done():
		err = fmt.Errorf("no answer in %v", checkTimeout)
	}
	if err != nil {
		return CheckResult{Name: c.name, Error: oneLine(err)}
	}
	return CheckResult{Name: c.name, OK: true}
}

func (c *check) join(ctx context.Context) *asking {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		run := &asking{done: make(chan struct{})}
		c.running = run
		// Others may join, so the run does not end with the first asker.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		go func() {
			defer cancel()
			run.err = c.ask(ctx)
			c.mu.Lock()
			c.running = nil
			c.mu.Unlock()
			close(run.done)
		}()
	}
	return c.running
}
