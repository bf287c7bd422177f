// Package door is a comet's own check of tokens: what logic would refuse is
// refused here, in the same words, and costs neither a call nor a place in a
// batch. Whoever is let through is judged by logic all the same, for a token
// says who a link is, and only logic knows what follows from that.
package door

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/token"
)

// Config says how much guessing is borne.
type Config struct {
	// Failures of one source address (of an IPv6 address: its /64) in 10 min
	// after which its attempts are delayed; after twice as many they are refused.
	// Zero means 20, negative: never. Each comet counts what it refuses, as each
	// logic does.
	Failures int
	// Clock returns the time. Nil means time.Now.
	Clock func() time.Time
	// Log is told of panics. Nil means slog.Default().
	Log *slog.Logger
	// Metrics registers the counter of verdicts. Nil registers none.
	Metrics prometheus.Registerer
}

// Door is a comet.Door that checks tokens. Immutable, but for what it counts.
type Door struct {
	cfg      Config
	verifier *token.Verifier
	failures *token.Failures
	verdicts *prometheus.CounterVec
}

var _ comet.Door = (*Door)(nil)

// New returns a Door that lets through what v finds good.
func New(v *token.Verifier, cfg Config) (*Door, error) {
	if cfg.Failures == 0 {
		cfg.Failures = 20
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	d := &Door{
		cfg: cfg, verifier: v, failures: token.NewFailures(0, 0),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oort_comet_door_total", Help: "Verdicts of this comet's own check of tokens.",
		}, []string{"verdict"}),
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(d.verdicts); err != nil {
			return nil, fmt.Errorf("door: metrics: %w", err)
		}
	}
	return d, nil
}

// Refuse implements comet.Door. A source that comes too early after too many
// failures is refused unseen, so that a flood of guesses costs no signatures.
func (d *Door) Refuse(c *comet.Connect) (answer comet.Connected, refused bool) {
	now, source := d.cfg.Clock(), token.Address(c.RemoteIP)
	if wait := d.failures.Wait(source, d.cfg.Failures, now); wait > 0 {
		d.verdicts.WithLabelValues("too_often").Inc()
		return comet.Connected{Status: comet.StatusDenied, Message: "denied: too many failures", Retry: wait}, true
	}
	err := d.check(c.Body)
	switch {
	case err == nil:
		d.verdicts.WithLabelValues("passed").Inc()
		return comet.Connected{}, false
	case errors.Is(err, errDefect):
		d.verdicts.WithLabelValues("panicked").Inc()
		return comet.Connected{Status: comet.StatusUnavailable, Message: err.Error()}, true
	case errors.Is(err, token.ErrUnknownKey):
		d.verdicts.WithLabelValues("unavailable").Inc()
		return comet.Connected{Status: comet.StatusUnavailable, Message: "unavailable: " + err.Error(), Retry: token.RetryKeys}, true
	}
	d.failures.Fail(source, d.cfg.Failures, now)
	d.verdicts.WithLabelValues("denied").Inc()
	return comet.Connected{Status: comet.StatusDenied, Message: err.Error()}, true
}

var errDefect = errors.New("a defect of the server")

// check looks at what a stranger sent, so a panic ends this attempt and not the
// comet.
func (d *Door) check(body []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Log.Error("panic contained", "where", "door", "value", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errDefect
		}
	}()
	_, err = d.verifier.Check(body)
	return err
}
