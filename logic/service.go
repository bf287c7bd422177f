package logic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/oortim/oort/logic/balance"
	"github.com/oortim/oort/proto/ident"
)

// Service is logic: see the package's text. All methods may be called
// concurrently, and end by their context's deadline.
type Service struct {
	// Immutable after New.
	cfg      Config
	metrics  *metrics
	balancer *balance.Balancer

	// Own locks inside.
	observer *observer
	forget   *retrier[Session]
	kicks    *retrier[kick]

	stop context.CancelFunc
	done sync.WaitGroup
}

// New starts a service; Close ends it. It reads nothing from the seams before
// it returns, so a registry that is away does not delay it.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, balancer: balance.New(cfg.Nodes, nil)}
	s.observer = newObserver(cfg)
	s.forget = newRetrier(cfg.Limits.Retries, s.forgetNow)
	s.kicks = newRetrier(cfg.Limits.Retries, s.kickNow)
	if s.metrics, err = newMetrics(cfg.Metrics, s); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.done.Go(func() { s.observe(ctx) })
	s.done.Go(func() { s.forget.run(ctx, cfg.Refresh) })
	s.done.Go(func() { s.kicks.run(ctx, cfg.Refresh) })
	return s, nil
}

// Close stops what runs in the background. Disconnects and kicks that still
// wait for an unreachable store are given up.
func (s *Service) Close() error {
	s.stop()
	s.done.Wait()
	return nil
}

// Ready returns nil if links would be let in and pushes stored; otherwise it
// says which seam is away.
func (s *Service) Ready(ctx context.Context) error {
	var errs []error
	if err := s.cfg.Sessions.Ready(ctx); err != nil {
		errs = append(errs, fmt.Errorf("sessions: %w", err))
	}
	if err := s.observer.readable(); err != nil {
		errs = append(errs, fmt.Errorf("registry: %w", err))
	}
	if err := s.cfg.Publisher.Ready(ctx); err != nil {
		errs = append(errs, fmt.Errorf("publisher: %w", err))
	}
	return errors.Join(errs...)
}

// observe keeps the view of comets and rooms fresh until ctx ends.
func (s *Service) observe(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Refresh)
	defer tick.Stop()
	away, whole := false, true
	for {
		err := s.observer.fresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != away {
			away = err != nil
			s.logRegistry(err)
		}
		if now := s.observer.whole(); err == nil && now != whole {
			whole = now
			s.logWhole(whole)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) logRegistry(err error) {
	if err != nil {
		s.cfg.Log.Warn("logic: registry is away; the last view stands", "err", err)
		return
	}
	s.cfg.Log.Info("logic: registry is back")
}

func (s *Service) logWhole(whole bool) {
	if whole {
		s.cfg.Log.Info("logic: every comet is known")
		return
	}
	s.cfg.Log.Info("logic: the registry has begun or lost records; jobs get no list until every comet can have renewed",
		"gather", s.cfg.Gather, "lease", s.cfg.Lease)
}

// Renew renews a comet's lease and answers with the number of links in the
// whole cluster for each of its rooms, and with the lease.
func (s *Service) Renew(ctx context.Context, c Comet, rooms map[string]int32) (map[string]int32, time.Duration, error) {
	if err := s.cfg.Registry.Renew(ctx, c, rooms); err != nil {
		s.metrics.renewals.WithLabelValues("failed").Inc()
		return nil, s.cfg.Lease, fmt.Errorf("%w: renew %q: %w", ErrUnavailable, c.Server, err)
	}
	s.metrics.renewals.WithLabelValues("ok").Inc()
	s.observer.note(c, rooms)
	return s.observer.totals(rooms), s.cfg.Lease, nil
}

// Leave gives a comet's lease back. Its sessions count as absent from then on.
func (s *Service) Leave(ctx context.Context, server ident.Server) error {
	if err := s.cfg.Registry.Leave(ctx, server); err != nil {
		return fmt.Errorf("%w: leave %q: %w", ErrUnavailable, server, err)
	}
	s.observer.forget(server)
	return nil
}

// Comets lists the comets with a living lease, as the registry has them now: a
// job that misses one here drops what is addressed to it. The error wraps
// ErrUnavailable, also while one that may have links could be missing: see
// Listing.
func (s *Service) Comets(ctx context.Context) ([]Comet, error) {
	if err := s.observer.fresh(ctx); err != nil {
		return nil, fmt.Errorf("%w: list comets: %w", ErrUnavailable, err)
	}
	if !s.observer.whole() {
		return nil, fmt.Errorf("%w: registry: %w", ErrUnavailable, errIncomplete)
	}
	return s.observer.living(), nil
}
