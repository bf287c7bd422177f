package job

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/proto/pushpb"
)

// metrics of one job. Without a registerer they count for nobody. Vectors are
// resolved once, for they are counted on the path of every record.
type metrics struct {
	registerer prometheus.Registerer
	registered []prometheus.Collector

	records  [6]prometheus.Counter // by kind
	dropped  [reasons]prometheus.Counter
	applied  prometheus.Counter
	replayed prometheus.Counter
	links    prometheus.Counter
	missing  prometheus.Counter
	followed prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, j *Job) (*metrics, error) {
	m := &metrics{registerer: reg}
	records := counters("oort_job_records_total", "Records read, by kind of push.", "kind")
	for i, kind := range []string{"invalid", "keys", "room", "all", "kick", "cancel"} {
		m.records[i] = records.WithLabelValues(kind)
	}
	dropped := counters("oort_job_dropped_total", "Deliveries to a comet that were dropped, in all or for some keys, by reason.", "reason")
	for reason := ReasonSlow; reason < reasons; reason++ {
		m.dropped[reason] = dropped.WithLabelValues(reason.String())
	}
	deliveries := counters("oort_job_deliveries_total", "Deliveries that a comet answered, by what it did.", "outcome")
	m.applied, m.replayed = deliveries.WithLabelValues("applied"), deliveries.WithLabelValues("replayed")
	m.links = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "oort_job_links_total", Help: "Links that comets handed records to.",
	})
	m.missing = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "oort_job_missing_keys_total", Help: "Keys that were not at the comet they were addressed to.",
	})
	comets := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oort_job_comets", Help: "Comets that are alive.",
	}, func() float64 { return float64(j.routes.count()) })
	m.followed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "oort_job_followed_total", Help: "Pushes that were stored again for a comet to which their keys had moved.",
	})
	entering := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oort_job_ledger_waiting", Help: "Drops that are not in the ledger yet; commits wait for them.",
	}, func() float64 { return float64(j.drops.queue.size()) })
	following := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oort_job_followers_waiting", Help: "Pushes that are about to follow their keys; commits wait for them.",
	}, func() float64 { return float64(j.follow.queue.size()) })
	return m, m.register(records, dropped, deliveries, m.links, m.missing, comets, m.followed, entering, following)
}

func counters(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
}

func (m *metrics) register(all ...prometheus.Collector) error {
	if m.registerer == nil {
		return nil
	}
	for _, c := range all {
		if err := m.registerer.Register(c); err != nil {
			m.unregister()
			return err
		}
		m.registered = append(m.registered, c)
	}
	return nil
}

func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
	m.registered = nil
}

// read counts a record by its kind.
func (m *metrics) read(r Record) {
	kind := r.Push.GetKind()
	if kind < 0 || int(kind) >= len(m.records) {
		kind = pushpb.Kind_KIND_UNSPECIFIED
	}
	m.records[kind].Inc()
}

func (m *metrics) drop(reason Reason) { m.dropped[reason].Inc() }

// done counts the outcome of one delivery.
func (m *metrics) done(o Outcome) {
	switch {
	case o.Drop != ReasonNone: // counted when its fate is known
	case o.Spared:
		return // the outlet counts those
	case o.Replayed:
		m.replayed.Inc()
	default:
		m.applied.Inc()
	}
	m.links.Add(float64(o.Links))
	m.missing.Add(float64(len(o.Missing)))
}
