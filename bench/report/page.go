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
		"number": number, "times": times, "engine": engineName,
		"tableOf": func(t table, engines []string) any {
			return struct {
				table
				Engines []string
			}{t, engines}
		},
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

// glance is one line of the summary: what the scenario is about, at its
// hardest point.
type glance struct {
	Scenario, Anchor, Metric, Unit string
	Words                          string // the point, and the verdict
	Cells                          []glanceCell
}

type glanceCell struct {
	cell
	Class  string
	Length float64 // of the bar, in percent of the longest of the line
}

type pageSection struct {
	Scenario
	Anchor  string
	Fixed   string // settings that all points share
	Figures []figure
	Context []table // what is not judged, or not charted
	Engines []string
	Faults  []string
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

// table has a line for each point, a column for each engine.
type table struct {
	Name, Unit string
	Rows       []tableRow
}

type tableRow struct {
	Point string
	Cells []cell
}

func newPage(r *Run) page {
	sections := r.sections()
	colour := coloursOf(sections)
	p := page{
		Title: title(sections), Started: r.Started.Format("2 January 2006, 15:04 UTC"), Took: r.Took.Round(time.Second),
		Faults: r.Faults(), Warnings: r.Environment.Warnings(), Settings: r.Settings,
		Environment: r.Environment.Settings(), Command: "oort " + strings.Join(r.Environment.Args, " "),
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
		if m.Of == "" {
			p.Figures = append(p.Figures, s.metricFigure(m, panels, colour))
		}
	}
	for _, name := range distributions(s.groups) {
		p.Figures = append(p.Figures, s.distributionFigure(name, colour))
	}
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
		f.Charts = append(f.Charts, panelChart{pointTitle(s.distinct(g, "")), s.quantiles(g, name, reach, colour)})
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

func (s *section) table(m *Metric) table {
	t := table{Name: m.Name, Unit: m.Unit}
	for _, g := range s.groups {
		t.Rows = append(t.Rows, tableRow{pointTitle(s.distinct(g, "")), g.row(m.Name)})
	}
	return t
}

// glance of a scenario: its first metric, and the p99 of its first
// distribution.
func (s *section) glance(anchor string, engines []string, colour colours) (lines []glance) {
	g := s.last()
	var chosen []*Metric
	for _, m := range metrics([]*group{g}, true) {
		if m.Of == "" {
			chosen = append(chosen, m)
			break
		}
	}
	for _, m := range metrics([]*group{g}, true) {
		if m.Of != "" && m.Quantile == .99 {
			chosen = append(chosen, m)
			break
		}
	}
	for _, m := range chosen {
		lines = append(lines, s.glanceLine(g, m, glance{
			Scenario: s.Name, Anchor: anchor, Metric: m.Name, Unit: m.Unit, Words: words(pointTitle(g.point), g.verdict(s.engines, m.Name)),
		}, engines, colour))
	}
	return lines
}

// words joins what is said into sentences.
func words(parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p+".")
		}
	}
	return strings.Join(said, " ")
}

func (s *section) glanceLine(g *group, m *Metric, line glance, engines []string, colour colours) glance {
	cells := map[string]cell{}
	longest := 0.0
	for i, c := range g.row(m.Name) {
		cells[s.engines[i]] = c
		longest = max(longest, c.Median)
	}
	for _, e := range engines {
		c := glanceCell{cell: cells[e], Class: colour[e]}
		if longest > 0 {
			c.Length = round(100 * max(c.Median, 0) / longest)
		}
		line.Cells = append(line.Cells, c)
	}
	return line
}
