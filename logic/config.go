package logic

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/logic/balance"
)

// Config of a Service.
type Config struct {
	// The seams. All but Receiver and Asker are required. They belong to the caller, who
	// closes them after the Service.
	Sessions  Store
	Registry  Registry
	Publisher Publisher
	Auth      Authenticator
	// Receiver takes clients' messages (op 4). Nil: they are counted, and
	// answered with an empty body.
	Receiver Receiver
	// Asker asks comets what became of messages. Nil: nobody can say.
	Asker Asker

	// Lease is how long a comet's counter may stand still before the comet
	// counts as dead. Zero means 15 s. Shorter notices a crash earlier, longer
	// forgives longer pauses.
	Lease time.Duration
	// Refresh is how often leases and room counts are read. Zero means 1 s. Two
	// of them must not be more than comets wait before they let links in.
	Refresh time.Duration
	// Gather is how long a registry that has begun is not taken for complete, so
	// that comets of which it knew before renew: longer than comets take between
	// renewals. Until then jobs get no list, and wait. Zero means a quarter of
	// Lease; negative means not at all, where no comet outlives the registry.
	Gather time.Duration
	// Devices limits the devices of one user. Zero means AllDevices. The others
	// cost four more round trips to the store a batch of logins.
	Devices Devices
	// Heartbeat is the interval promised to clients. Zero leaves it to the
	// comet.
	Heartbeat time.Duration
	// PushTTL is how long a push may wait for its delivery if the pusher does
	// not say. Zero means 10 min; negative means for ever.
	PushTTL time.Duration

	Limits Limits
	// Nodes says how clients are told where to connect.
	Nodes balance.Advice

	// Clock returns the time. Nil means time.Now.
	Clock func() time.Time
	// Log takes what an operator should know. Nil means slog.Default().
	Log *slog.Logger
	// Metrics registers this service's metrics. Nil registers none.
	Metrics prometheus.Registerer
}

// Limits of what a caller may ask for. A zero field means its default.
type Limits struct {
	// BodyBytes is the largest message. Zero means 64 KiB.
	BodyBytes int
	// Targets is the largest number of keys, mids or rooms in one push, and of
	// pushes in one call. Zero means 1,000.
	Targets int
	// Accepts is the largest number of ops that a link may ask for. Zero means
	// 128.
	Accepts int
	// Retries is how many disconnects, and how many kicks, wait for a store
	// that does not answer; beyond it they are dropped and counted. Zero means
	// 65,536.
	Retries int
}

func (c Config) withDefaults() (Config, error) {
	if c.Sessions == nil || c.Registry == nil || c.Publisher == nil || c.Auth == nil {
		return c, errors.New("logic: Sessions, Registry, Publisher and Auth are required")
	}
	setDefault(&c.Lease, 15*time.Second)
	setDefault(&c.Refresh, time.Second)
	setDefault(&c.Gather, c.Lease/4)
	setDefault(&c.PushTTL, 10*time.Minute)
	setDefault(&c.Limits.BodyBytes, 64<<10)
	setDefault(&c.Limits.Targets, 1000)
	setDefault(&c.Limits.Accepts, 128)
	setDefault(&c.Limits.Retries, 65536)
	if c.Lease < 3*c.Refresh {
		return c, errors.New("logic: Lease must be at least three times Refresh")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
