package report

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/bench/measure"
)

func TestRoundTrip(t *testing.T) {
	r := single(made(3, 5, 1000, 15000), 5)
	r.Cases[1].Fault("%d of %d lost", 1, 10)
	file := filepath.Join(t.TempDir(), "run.json")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.JSON(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	back, err := ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r, back) {
		t.Errorf("wrote %+v\nread %+v", r, back)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, doc := range []string{
		``, `[]`, `{}`, `"oort bench"`, `{"tool":"oort bench","format":2}`, `{"tool":"other","format":1}`,
		`{"tool":"oort bench","format":1,"cases":[null]}`,
		`{"tool":"oort bench","format":1,"cases":[{"metrics":[null]}]}`,
		`{"tool":"oort bench","format":1,"cases":7}`,
	} {
		if r, err := Read(strings.NewReader(doc)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %+v, %v", doc, r, err)
		}
	}
	if _, err := Read(strings.NewReader(`{"tool":"oort bench","format":7}`)); err == nil || !strings.Contains(err.Error(), "format 7") {
		t.Errorf("does not say which format it met: %v", err)
	}
	if _, err := ReadFile("no-such-file"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestCaseIsFound(t *testing.T) {
	r := New(time.Now())
	a := r.Case("fanout", "epoll", Is("members", 1000), Is("rate", 2.5))
	if r.Case("fanout", "epoll", Is("members", 1000), Is("rate", 2.5)) != a {
		t.Error("not found again")
	}
	for _, other := range []*Case{
		r.Case("idle", "epoll", a.Point...), r.Case("fanout", "std", a.Point...), r.Case("fanout", "epoll"),
		r.Case("fanout", "epoll", Is("members", 1001), Is("rate", 2.5)),
	} {
		if other == a {
			t.Errorf("%s is %s", other.Title(), a.Title())
		}
	}
	if len(r.Cases) != 5 || a.Title() != "fanout epoll (members 1000, rate 2.5)" {
		t.Errorf("%d cases, %q", len(r.Cases), a.Title())
	}
}

func TestSetting(t *testing.T) {
	tests := []struct {
		value  any
		text   string
		number float64
		ok     bool
	}{
		{1000000, "1000000", 1e6, true}, {1e6, "1000000", 1e6, true}, {2.5, "2.5", 2.5, true},
		{90 * time.Second, "1m30s", 90, true}, {"epoll", "epoll", 0, false}, {true, "true", 0, false},
		{"Inf", "Inf", 0, false}, {"NaN", "NaN", 0, false}, {"", "", 0, false},
	}
	for _, tt := range tests {
		s := Is("x", tt.value)
		if n, ok := s.Number(); s.Value != tt.text || n != tt.number || ok != tt.ok {
			t.Errorf("%v: %q, %v, %v", tt.value, s.Value, n, ok)
		}
	}
}

func TestAdd(t *testing.T) {
	c := new(Case)
	c.Add("a", "µs", Lower, 3)
	c.Add("a", "µs", Lower, 4)
	c.AddFloor("a", 1)
	c.AddFloor("a", 2)
	c.AddLatency("reply", measure.Summary{Count: 9, P50: 412345 * time.Nanosecond, Max: 2 * time.Millisecond})
	c.AddLatency("nothing", measure.Summary{})
	if m := c.Metric("a"); !reflect.DeepEqual(m.Samples, []float64{3, 4}) || m.Floor != FloorOf("a") ||
		!reflect.DeepEqual(c.Metric(m.Floor).Samples, []float64{1, 2}) || !reflect.DeepEqual(c.Ratios(m), []float64{3, 2}) {
		t.Errorf("%+v, floor %+v", m, c.Metric(m.Floor))
	}
	if p := c.Metric("reply p50"); p == nil || p.Samples[0] != 412.3 || p.Of != "reply" || p.Quantile != .5 || c.Metric("nothing p50") != nil {
		t.Errorf("%+v", p)
	}
	if len(c.Faults) > 0 {
		t.Errorf("faults %q", c.Faults)
	}
	c.Add("b", "", "", math.NaN())
	c.Add("b", "", "", math.Inf(1))
	c.AddFloor("c", 1)
	if len(c.Faults) != 3 || len(c.Metric("b").Samples) != 0 {
		t.Errorf("faults %q, b %+v", c.Faults, c.Metric("b"))
	}
}

// A repetition that misses its floor leaves no pairs.
func TestRatiosWithoutPairs(t *testing.T) {
	c := new(Case)
	for i, v := range []float64{4, 6, 8} {
		c.Add("a", "µs", Lower, v)
		if i > 0 {
			c.AddFloor("a", float64(2*i))
		}
	}
	if got := c.Ratios(c.Metric("a")); !reflect.DeepEqual(got, []float64{4. / 3, 2, 8. / 3}) {
		t.Errorf("%v", got)
	}
	c.Metric(FloorOf("a")).Samples = []float64{0, 0, 0}
	if got := c.Ratios(c.Metric("a")); got != nil {
		t.Errorf("by zero: %v", got)
	}
}

func TestErr(t *testing.T) {
	r := made(2, 1, 10)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	r.Cases[1].Fault("%d of %d lost", 1, 10)
	if err := r.Err(); !errors.Is(err, ErrFaults) || !strings.Contains(err.Error(), "fanout uring (members 10, size 64): 1 of 10 lost") {
		t.Error(err)
	}
	r.Cases[0].Fault("more")
	if err := r.Err(); !errors.Is(err, ErrFaults) || !strings.Contains(err.Error(), "2 faults") {
		t.Error(err)
	}
}
