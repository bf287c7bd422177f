package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/oortim/oort/deploy/e2e/rig"
)

const (
	dashboardFile = "../grafana/oort.json"
	rulesFile     = "../prometheus/oort.yaml"
	runbookFile   = "../../docs/operating.md"
)

type dashboard struct {
	Annotations struct {
		List []struct{ Expr, TitleFormat string }
	}
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr, LegendFormat string }
	}
}

type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

// TestDashboardAndAlerts: each query names metrics, labels and values that the
// processes of a cluster export, one that uses everything that has metrics.
func TestDashboardAndAlerts(t *testing.T) {
	s := startSecure(t)
	e := exported{"up": {"job": {}, "instance": {}}} // Prometheus' own
	for _, o := range []*rig.Oort{s.logic, s.comet, s.job} {
		status, text, err := o.Admin("/metrics")
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d, %v", o.Name, status, err)
		}
		e.read(text)
	}
	var d dashboard
	parse(t, dashboardFile, json.Unmarshal, &d)
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			for _, wrong := range e.check(q.Expr, q.LegendFormat) {
				t.Errorf("panel %q: %s\n\t%s", p.Title, wrong, q.Expr)
			}
		}
	}
	for _, a := range d.Annotations.List {
		for _, wrong := range e.check(a.Expr, a.TitleFormat) {
			t.Errorf("annotation: %s\n\t%s", wrong, a.Expr)
		}
	}
	var r rules
	parse(t, rulesFile, yaml.Unmarshal, &r)
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			for _, wrong := range e.check(rule.Expr, rule.Annotations["summary"]) {
				t.Errorf("alert %s: %s\n\t%s", rule.Alert, wrong, rule.Expr)
			}
		}
	}
}

func parse(t *testing.T, file string, unmarshal func([]byte, any) error, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestDashboardFitsOnAScreen: panels do not overlap, none is empty, and all of
// it is 32 rows high.
func TestDashboardFitsOnAScreen(t *testing.T) {
	var d dashboard
	parse(t, dashboardFile, json.Unmarshal, &d)
	const wide, high = 24, 32
	taken := map[[2]int]string{}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		at := p.GridPos
		if ids[p.ID] || len(p.Targets) == 0 || p.Title == "" || at.X < 0 || at.X+at.W > wide || at.Y+at.H > high {
			t.Errorf("panel %d %q at %+v with %d queries", p.ID, p.Title, at, len(p.Targets))
		}
		ids[p.ID] = true
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("panels %q and %q overlap", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	if len(d.Panels) == 0 {
		t.Error("no panels")
	}
}

// TestEachAlertHasItsPage: an alert without a line that says what to do is of no
// use at night, and neither is a line whose alert has gone.
func TestEachAlertHasItsPage(t *testing.T) {
	text, err := os.ReadFile(runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "| `Oort"); ok {
			name, _, _ = strings.Cut(name, "`")
			told = append(told, "Oort"+name)
			if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | "); len(cells) != 4 || slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "" }) {
				t.Errorf("%q has not four cells: alert, meaning, what to look at, what to do", line)
			}
		}
	}
	var r rules
	parse(t, rulesFile, yaml.Unmarshal, &r)
	var alerts []string
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			alerts = append(alerts, rule.Alert)
			severity := rule.Labels["severity"]
			if severity != "page" && severity != "ticket" || rule.Annotations["runbook"] != "docs/operating.md#alerts" || rule.Annotations["summary"] == "" {
				t.Errorf("%s: labels %v, annotations %v", rule.Alert, rule.Labels, rule.Annotations)
			}
		}
	}
	slices.Sort(told)
	slices.Sort(alerts)
	if !slices.Equal(told, alerts) {
		t.Errorf("the runbook has\n%v\nthe rules\n%v", told, alerts)
	}
}
