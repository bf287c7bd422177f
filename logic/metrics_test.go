package logic_test

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// TestMetrics: what strangers and pushers choose, keys, mids, rooms and
// reasons, never becomes a series.
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := newWorld(t, func(c *logic.Config) { c.Metrics = reg })
	w.renew(w.svc, c1, c2)
	w.connect(c1, "secretkey", 4711)
	w.connect(c2, "secretkey", 4711)
	w.tryConnect(c1, "garbage")
	ctx := context.Background()
	w.svc.Push(ctx, []logic.Push{
		{Keys: []ident.Key{"secretkey"}, Op: 1000}, {Mids: []int64{4711}, Op: 1000},
		{Room: "live://secretroom", Op: 1000}, {All: true, Op: 1000}, {Op: 5},
	})
	if _, err := w.svc.Kick(ctx, "secretkey", 0, "secretreason"); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			values[name] = m.Counter.GetValue() + m.Gauge.GetValue()
			for _, secret := range []string{"secret", "4711", "live"} {
				if strings.Contains(name, secret) {
					t.Errorf("series %s", name)
				}
			}
			if !strings.HasPrefix(name, "oort_logic_") {
				t.Errorf("series %s", name)
			}
		}
	}
	for name, want := range map[string]float64{
		"oort_logic_connects_total status=ok":                   2,
		"oort_logic_connects_total status=invalid":              1,
		"oort_logic_pushes_total kind=keys outcome=stored":      1,
		"oort_logic_pushes_total kind=all outcome=bad":          1,
		"oort_logic_kicks_total outcome=stored reason=replaced": 1,
		"oort_logic_kicks_total outcome=stored reason=kicked":   1,
		"oort_logic_comets":                                     2,
		"oort_logic_links":                                      20,
		"oort_logic_rooms":                                      1,
	} {
		if values[name] != want {
			t.Errorf("%s is %v, want %v", name, values[name], want)
		}
	}
	if _, err := logic.New(logic.Config{
		Sessions: w.store, Registry: w.store, Publisher: w.pub, Auth: refuse{}, Metrics: reg,
	}); err == nil {
		t.Error("two services share one registry of metrics")
	}
}

// refuse lets nobody in.
type refuse struct{}

func (refuse) Authenticate(_ context.Context, links []logic.Credentials) []logic.Verdict {
	verdicts := make([]logic.Verdict, len(links))
	for i := range verdicts {
		verdicts[i].Err = logic.ErrDenied
	}
	return verdicts
}

// TestConfig: what cannot work is refused at once.
func TestConfig(t *testing.T) {
	w := newWorld(t)
	good := logic.Config{Sessions: w.store, Registry: w.store, Publisher: w.pub, Auth: refuse{}}
	for name, change := range map[string]func(*logic.Config){
		"no sessions":  func(c *logic.Config) { c.Sessions = nil },
		"no registry":  func(c *logic.Config) { c.Registry = nil },
		"no publisher": func(c *logic.Config) { c.Publisher = nil },
		"no auth":      func(c *logic.Config) { c.Auth = nil },
		"short lease":  func(c *logic.Config) { c.Lease = 2 * 1e9 },
	} {
		cfg := good
		change(&cfg)
		if svc, err := logic.New(cfg); err == nil {
			t.Errorf("%s was accepted", name)
			_ = svc.Close()
		}
	}
}
