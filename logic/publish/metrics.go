package publish

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/logic"
)

// metrics of one publisher. A nil registerer makes them count for nobody.
type metrics struct {
	registerer prometheus.Registerer
	registered []prometheus.Collector

	pushes  *prometheus.CounterVec // by result
	seconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, w *waiting, more ...prometheus.Collector) (*metrics, error) {
	m := &metrics{
		registerer: reg,
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oort_logic_publish_pushes_total",
			Help: "Pushes by result: stored, not_stored, overloaded, unknown.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "oort_logic_publish_seconds",
			Help:    "Time from Publish to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 17),
		}),
	}
	for _, err := range []error{nil, logic.ErrOverloaded, logic.ErrNotStored, ErrUnknown} {
		m.pushes.WithLabelValues(result(err)) // so that the first one is seen as a rise
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oort_logic_publish_waiting_records",
		Help: "Records that wait for the brokers.",
	}, func() float64 { return float64(w.records.Load()) })
	waitingBytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oort_logic_publish_waiting_bytes",
		Help: "Bytes of the records that wait for the brokers.",
	}, func() float64 { return float64(w.bytes.Load()) })
	for _, c := range append(more, m.pushes, m.seconds, waiting, waitingBytes) {
		if err := m.register(c); err != nil {
			m.unregister()
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) register(c prometheus.Collector) error {
	if m.registerer == nil {
		return nil
	}
	if err := m.registerer.Register(c); err != nil {
		return err
	}
	m.registered = append(m.registered, c)
	return nil
}

func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
	m.registered = nil
}

func (m *metrics) observe(results []error, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	for _, err := range results {
		m.pushes.WithLabelValues(result(err)).Inc()
	}
}

// result is the metric label of an answer.
func result(err error) string {
	switch {
	case err == nil:
		return "stored"
	case errors.Is(err, logic.ErrOverloaded):
		return "overloaded"
	case errors.Is(err, logic.ErrNotStored):
		return "not_stored"
	default:
		return "unknown"
	}
}
