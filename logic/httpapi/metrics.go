package httpapi

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics by path, as it stands in the table of routes.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oort_logic_http_requests_total", Help: "Requests by path and status code.",
		}, []string{"path", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oort_logic_http_seconds", Help: "Time to answer a request.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 15),
		}, []string{"path"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oort_logic_http_panics_total", Help: "Handlers that panicked.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.panics} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("httpapi: metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) served(path, code string, took time.Duration) {
	m.requests.WithLabelValues(path, code).Inc()
	m.seconds.WithLabelValues(path).Observe(took.Seconds())
}
