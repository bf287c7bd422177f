package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pages embed.FS

// HTML writes r as one page that needs nothing else: no network, no script.
func (r *Run) HTML(w io.Writer) error {
	t, err := template.New("page.html").Funcs(template.FuncMap{
		"number": Number, "times": Times, "engine": engineName,
		"tables": func(all []table, engines []string) tables { return tables{all, engines} },
	}).ParseFS(pages, "page.html")
	if err != nil {
		return fmt.Errorf("report: page: %w", err)
	}
	if err := t.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("report: page: %w", err)
	}
	return nil
}

// page is what the template shows, ready to be set.
type page struct {
	Title       string
	Palette     []string
	Started     string
	Took        time.Duration
	Machine     string
	Faults      []string
	Warnings    []string
	Settings    []Setting
	Environment []Setting
	Command     string
	Engines     []engineMark
	Glance      []glance
	Sections    []pageSection
}

type engineMark struct{ Name, Class string }

type pageSection struct {
	Scenario
	Anchor  string
	Fixed   string // settings that all points share
	Figures []figure
	// Constants are metrics that are the same everywhere, as "delivered: 100 %".
	Constants []string
	Context   []table // what is not judged, or not charted
	Engines   []string
	Faults    []string
}

// figure is one metric, or one distribution: charts beside each other, and
// the same as a table.
type figure struct {
	Name, Unit, Better string
	Verdict            string
	Charts             []panelChart
	Table              []table
}

type panelChart struct {
	Title   string
	Drawing drawing
}

func newPage(r *Run) page {
	sections := r.sections()
	colour := coloursOf(sections)
	p := page{
		Title: title(sections), Started: r.Started.Format("2 January 2006, 15:04 UTC"), Took: r.Took.Round(time.Second),
		Faults: r.Faults(), Warnings: r.Environment.Warnings(), Settings: r.Settings,
		Environment: r.Environment.Settings(), Command: r.Environment.command(),
		Machine: fmt.Sprintf("%d × %s, %s %s, %s", r.Environment.CPUs, r.Environment.CPU, r.Environment.OS, r.Environment.Kernel, r.Environment.Go),
	}
	for i := range palette {
		p.Palette = append(p.Palette, fmt.Sprintf("e%d", i))
	}
	for _, e := range enginesOf(sections) {
		p.Engines = append(p.Engines, engineMark{breakable(engineName(e)), colour[e]})
	}
	for i, s := range sections {
		anchor := fmt.Sprintf("s%d", i+1)
		p.Glance = append(p.Glance, s.glance(anchor, enginesOf(sections), colour)...)
		p.Sections = append(p.Sections, s.page(anchor, colour))
	}
	return p
}

// breakable lets a browser break a long spec behind its commas.
func breakable(name string) string { return strings.ReplaceAll(name, ",", ",\u200b") }

// title names a few scenarios, and counts many.
func title(sections []*section) string {
	if len(sections) > 3 {
		return fmt.Sprintf("%d scenarios", len(sections))
	}
	var names []string
	for _, s := range sections {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// enginesOf are the engines of all sections, in the order of the first.
func enginesOf(sections []*section) (all []string) {
	seen := map[string]bool{}
	for _, s := range sections {
		for _, e := range s.engines {
			if !seen[e] {
				seen[e] = true
				all = append(all, e)
			}
		}
	}
	return all
}

// page of one scenario.
func (s *section) page(anchor string, colour colours) pageSection {
	p := pageSection{Scenario: s.Scenario, Anchor: anchor, Fixed: pointTitle(s.fixed()), Engines: s.engines}
	panels := s.panels()
	for _, m := range metrics(s.groups, true) {
		switch v, constant := s.constant(m); {
		case m.Of != "":
		case constant:
			p.Constants = append(p.Constants, strings.TrimSpace(m.Name+": "+Number(v)+" "+m.Unit))
		default:
			p.Figures = append(p.Figures, s.metricFigure(m, panels, colour))
		}
	}
	for _, name := range distributions(s.groups) {
		p.Figures = append(p.Figures, s.distributionFigure(name, colour))
	}
	p.Figures = append(p.Figures, s.timelines(colour)...)
	for _, m := range metrics(s.groups, false) {
		p.Context = append(p.Context, s.table(m))
	}
	for _, g := range s.groups {
		for _, c := range g.cases {
			if c == nil {
				continue
			}
			for _, f := range c.Faults {
				p.Faults = append(p.Faults, engineName(c.Engine)+", "+pointTitle(c.Point)+": "+f)
			}
		}
	}
	return p
}

// constant says whether m has the same value in all of several samples.
func (s *section) constant(m *Metric) (v float64, same bool) {
	n := 0
	for _, g := range s.groups {
		for _, c := range g.cases {
			if c == nil || c.Metric(m.Name) == nil {
				continue
			}
			for _, sample := range c.Metric(m.Name).Samples {
				if n > 0 && sample != v {
					return 0, false
				}
				v = sample
				n++
			}
		}
	}
	return v, n > 1
}

func (s *section) metricFigure(m *Metric, panels []*panel, colour colours) figure {
	f := figure{Name: m.Name, Unit: m.Unit, Better: m.Better, Verdict: s.verdict(m.Name), Table: []table{s.table(m)}}
	reach := span(s.groups, m.Name)
	for _, p := range panels {
		c := panelChart{Title: p.title}
		if p.along == "" {
			c.Drawing = s.bars(p.groups[0], m, reach, colour)
		} else {
			c.Drawing = s.lineChart(p, m, reach, colour)
		}
		f.Charts = append(f.Charts, c)
	}
	return f
}

// mostCharts of a distribution; the other points are in its tables.
const mostCharts = 6

func (s *section) distributionFigure(name string, colour colours) figure {
	quantiles := quantilesOf(s.groups, name)
	f := figure{Name: name, Unit: quantiles[0].Unit, Better: Lower}
	var reach []float64
	for _, m := range quantiles {
		reach = append(reach, span(s.groups, m.Name)...)
		f.Table = append(f.Table, s.table(m))
		if m.Quantile == .99 {
			f.Verdict = s.verdict(m.Name)
		}
	}
	if f.Verdict != "" {
		f.Verdict = "p99: " + f.Verdict
	}
	for _, g := range s.groups[max(0, len(s.groups)-mostCharts):] {
		f.Charts = append(f.Charts, panelChart{pointTitle(s.distinct(g)), s.quantiles(g, name, reach, colour)})
	}
	return f
}

// verdict on a metric where it says something; that there are too few
// repetitions is said once, in the summary.
func (s *section) verdict(name string) string {
	if v := s.last().verdict(s.engines, name); v != tooFew {
		return v
	}
	return ""
}

// last is the group that stands for s where only one can: scenarios list their
// hardest point last.
func (s *section) last() *group { return s.groups[len(s.groups)-1] }
