package dispatch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of all dispatchers of one job. Without a registerer they count for
// nobody.
type metrics struct {
	streams  prometheus.Gauge
	records  prometheus.Gauge
	bytes    prometheus.Gauge
	failures prometheus.Counter
	batches  prometheus.Counter
	seconds  prometheus.Histogram
	late     prometheus.Counter
	rooms    [spare + 1]prometheus.Counter // by choice
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "oort_job_streams", Help: "Streams to comets.",
		}),
		records: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "oort_job_waiting_records", Help: "Deliveries that wait for a comet or for its answer.",
		}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "oort_job_waiting_bytes", Help: "Bytes of the deliveries that wait.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oort_job_stream_failures_total", Help: "Streams to comets that could not be opened or broke.",
		}),
		batches: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oort_job_batches_total", Help: "Batches that a comet answered.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "oort_job_answer_seconds", Help: "Time from the first sending of a batch to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 19),
		}),
	}
	m.late = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "oort_job_late_echoes_total", Help: "Times that a comet was too slow to tell its rooms, and was sent everything.",
	})
	rooms := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oort_job_room_records_total",
		Help: "Records of rooms, once for each living comet: sent to it, or spared because it has no link in the room.",
	}, []string{"choice"})
	m.rooms[send], m.rooms[spare] = rooms.WithLabelValues("sent"), rooms.WithLabelValues("spared")
	if reg == nil {
		return m, nil
	}
	all := []prometheus.Collector{m.streams, m.records, m.bytes, m.failures, m.batches, m.seconds, m.late, rooms}
	for i, c := range all {
		if err := reg.Register(c); err != nil {
			for _, c := range all[:i] {
				reg.Unregister(c)
			}
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) waiting(records, bytes int) {
	m.records.Add(float64(records))
	m.bytes.Add(float64(bytes))
}

func (m *metrics) answered(b *batch, now time.Time) {
	m.batches.Inc()
	m.seconds.Observe(now.Sub(b.sent).Seconds())
}
