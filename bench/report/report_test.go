package report

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/bench/measure"
)

func sample() *Report {
	r := New("push", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	r.Set("links", 10)
	r.Figure("delivered", 9, "")
	r.Figure("rate", 1234.56, "messages/s")
	r.Latency("tcp", measure.Summary{Count: 9, P50: 412345 * time.Nanosecond, Max: 2 * time.Millisecond})
	r.Latency("ws", measure.Summary{})
	r.Fault("%d of %d lost", 1, 10)
	return r
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := sample().Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"push, 2026-01-02T03:04:05Z", runtime.Version(), "links", "1235", "messages/s", "412.3", "2000", "FAULT: 1 of 10 lost"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "ws") {
		t.Errorf("an empty distribution is shown\n%s", b.String())
	}
}

func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := sample().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatal(err)
	}
	if back.Figures[1].Value != 1234.56 || back.Latencies[0].P50 != 412.3 || len(back.Latencies) != 1 || back.Faults[0] != "1 of 10 lost" {
		t.Errorf("%+v", back)
	}
}

func TestEnvironment(t *testing.T) {
	e := ReadEnvironment()
	if e.Kernel == "" || e.CPU == "" || e.CPUs < 1 || e.Go == "" || len(e.Args) == 0 {
		t.Errorf("%+v", e)
	}
}
