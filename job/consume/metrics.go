package consume

import "github.com/prometheus/client_golang/prometheus"

// metrics of one source. Without a registerer they count for nobody.
type metrics struct {
	partitions   prometheus.Gauge
	fetchErrors  prometheus.Counter
	commits      prometheus.Counter
	commitErrors prometheus.Counter
	expired      prometheus.Counter
	registered   []prometheus.Collector
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		partitions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "oort_job_consume_partitions", Help: "Partitions that this job owns.",
		}),
		fetchErrors: counter("oort_job_consume_fetch_errors_total", "Polls that brought an error."),
		commits:     counter("oort_job_consume_commits_total", "Commits of offsets."),
		commitErrors: counter("oort_job_consume_commit_errors_total",
			"Commits of offsets that failed; the next one includes them."),
		expired: counter("oort_job_consume_expired_records_total",
			"Records that the brokers deleted before this job could read them."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.partitions, m.fetchErrors, m.commits, m.commitErrors, m.expired} {
		if err := reg.Register(c); err != nil {
			m.unregister(reg)
			return nil, err
		}
		m.registered = append(m.registered, c)
	}
	return m, nil
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	for _, c := range m.registered {
		reg.Unregister(c)
	}
	m.registered = nil
}
