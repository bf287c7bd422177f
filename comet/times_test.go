package comet

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/oortim/oort/proto/pushpb"
)

// family is one of the comet's metrics, nil if it is not told.
func (r *rig) family(name string) *dto.MetricFamily {
	r.t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(r.Server)
	families, err := reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f
		}
	}
	return nil
}

// TestDeliveryTimes: each delivery is counted once by how long it took, on the
// ways of small rooms, large rooms and keys.
func TestDeliveryTimes(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, nil)
		const members = 20
		for i := range members {
			r.dial(i%2 == 0).auth(fmt.Sprint(i), fmt.Sprint("live://", min(i, 3))) // three alone, the others together
		}
		second := time.Now().Add(-time.Second).UnixMicro()
		for i := range 4 {
			r.push(&pushpb.Push{Id: fmt.Sprint(i), Kind: pushpb.Kind_KIND_ROOM, Room: fmt.Sprint("live://", i), Op: 1000, AcceptedUs: second})
		}
		r.push(&pushpb.Push{Id: "k", Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"0", "7"}, Op: 1000, AcceptedUs: second})
		const deliveries = members + 2
		until(t, "all deliveries", func() bool {
			return r.family("oort_comet_delivery_seconds").Metric[0].Histogram.GetSampleCount() == deliveries
		})
		h := r.family("oort_comet_delivery_seconds").Metric[0].Histogram
		if h.GetSampleSum() < deliveries || h.GetSampleSum() > deliveries*patience.Seconds() {
			t.Errorf("the sum is %v s", h.GetSampleSum())
		}
		for _, b := range h.Bucket {
			if b.GetUpperBound() < 1 && b.GetCumulativeCount() != 0 {
				t.Errorf("%d took less than %v s, and all at least 1 s", b.GetCumulativeCount(), b.GetUpperBound())
			}
		}
	})
}

// TestLoopsTellThatTheyAreBusy, where the engine can tell: each for itself, and
// never more than time has passed.
func TestLoopsTellThatTheyAreBusy(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		began := time.Now()
		r := open(t, engine, nil)
		r.dial(false).auth("a", "live://1")
		f := r.family("oort_comet_loop_busy_seconds_total")
		if f == nil {
			if r.engine.Stats().Busy != nil {
				t.Error("the engine tells it and the comet does not")
			}
			return
		}
		sum, past := 0.0, time.Since(began).Seconds()
		for _, m := range f.Metric {
			sum += m.Counter.GetValue()
			if m.Counter.GetValue() > past {
				t.Errorf("busy for %v of %v s", m.Counter.GetValue(), past)
			}
		}
		if len(f.Metric) != 2 || sum == 0 {
			t.Errorf("%d loops, busy for %v s", len(f.Metric), sum)
		}
	})
}
