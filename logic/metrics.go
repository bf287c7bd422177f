package logic

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of a Service. No label grows with keys, mids or rooms.
type metrics struct {
	connects    *prometheus.CounterVec
	disconnects prometheus.Counter
	pushes      *prometheus.CounterVec
	kicks       *prometheus.CounterVec
	renewals    *prometheus.CounterVec
	received    *prometheus.CounterVec
	dropped     *prometheus.CounterVec
	mended      *prometheus.CounterVec
	stored      prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, s *Service) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oort_logic_" + name, Help: help}, labels)
	}
	m := &metrics{
		connects:    counter("connects_total", "Links that asked to be let in.", "status"),
		disconnects: prometheus.NewCounter(prometheus.CounterOpts{Name: "oort_logic_disconnects_total", Help: "Links that said goodbye."}),
		pushes:      counter("pushes_total", "Pushes by kind of target and outcome.", "kind", "outcome"),
		kicks:       counter("kicks_total", "Links that were told to close.", "reason", "outcome"),
		renewals:    counter("renewals_total", "Renewals of comets' leases.", "outcome"),
		received:    counter("received_total", "Messages of clients (op 4).", "outcome"),
		dropped:     counter("retries_dropped_total", "What did not fit into the queue of things to try again.", "what"),
		mended:      counter("mended_total", "Sessions that a comet's and the store's lists did not share, when they were compared.", "what"),
		stored: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "oort_logic_store_seconds", Help: "Time until the publisher answered for the records of one call.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
	}
	for _, status := range []Status{StatusOK, StatusDenied, StatusInvalid, StatusUnavailable} {
		m.connects.WithLabelValues(status.String()) // so that the first one is seen as a rise
	}
	if reg == nil {
		return m, nil
	}
	return m, registerAll(reg, append(s.gauges(),
		m.connects, m.disconnects, m.pushes, m.kicks, m.renewals, m.received, m.dropped, m.mended, m.stored))
}

// gauges read the service when they are scraped.
func (s *Service) gauges() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "oort_logic_" + name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("comets", "Comets with a living lease.", func() float64 { return float64(s.Online(Everywhere).Comets) }),
		gauge("comets_known", "1 if the registry is known to name every comet that may have links, 0 if it has begun or lost records and was not watched.", func() float64 {
			if s.observer.whole() {
				return 1
			}
			return 0
		}),
		gauge("links", "Links of all living comets, by their last renewals.", func() float64 { return float64(s.Online(Everywhere).Links) }),
		gauge("rooms", "Rooms with links, in the whole cluster.", func() float64 { return float64(s.Online(Everywhere).Rooms) }),
		gauge("disconnects_waiting", "Disconnects that wait for the session store.", func() float64 { return float64(s.forget.size()) }),
		gauge("kicks_waiting", "Kicks that wait for the publisher.", func() float64 { return float64(s.kicks.size()) }),
	}
}

func registerAll(reg prometheus.Registerer, collectors []prometheus.Collector) error {
	for _, c := range collectors {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("logic: metrics: %w", err)
		}
	}
	return nil
}

// lost counts what did not fit into a queue of things to try again.
func (m *metrics) lost(what string, n int) {
	if n > 0 {
		m.dropped.WithLabelValues(what).Add(float64(n))
	}
}
