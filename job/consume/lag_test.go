package consume

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
)

// lagOf is what the metric says.
func lagOf(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "oort_job_lag_records" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

// TestLag: what is not finished is told, be it read or not, from the first
// record on or from where another job left off; what was deleted is not.
func TestLag(t *testing.T) {
	f := newFixture(t)
	f.makeTopic(2)
	for i := range int32(2) {
		f.produce(i, push("0"), push("1"), push("2"))
	}
	var upTo kadm.Offsets
	upTo.Add(kadm.Offset{Topic: topic, Partition: 1, At: 1})
	if _, err := f.admin.DeleteRecords(t.Context(), upTo); err != nil {
		t.Fatal(err)
	}
	lags := func(reg *prometheus.Registry, want float64) {
		t.Helper()
		eventually(t, fmt.Sprint("a lag of ", want, " instead of ", lagOf(t, reg)), func() bool { return lagOf(t, reg) == want })
	}
	reg := prometheus.NewRegistry()
	s := &sink{hold: true}
	_, stop := f.run(Config{Metrics: reg, Measure: 5 * time.Millisecond}, s)
	lags(reg, 5)
	eventually(t, "all are read", func() bool { return s.count() == 5 })
	s.mu.Lock()
	s.hold = false
	s.mu.Unlock()
	f.produce(0, push("3")) // finishes all before it
	lags(reg, 2)
	stop()

	reg = prometheus.NewRegistry()
	f.run(Config{Metrics: reg, Measure: 5 * time.Millisecond}, &sink{hold: true})
	lags(reg, 2)
	f.produce(0, push("4"))
	lags(reg, 3)
}
