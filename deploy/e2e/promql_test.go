package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exported is what processes export: the values of each label of each metric.
type exported map[string]map[string]map[string]bool

const (
	nameRE    = `[a-zA-Z_:][a-zA-Z0-9_:]*`
	stringRE  = `"(?:[^"\\]|\\.)*"`
	matcherRE = `(` + nameRE + `)\s*(=~|!~|!=|=)\s*(` + stringRE + `)`
)

var (
	selector = regexp.MustCompile(`(` + nameRE + `)\s*(\{(?:[^"}]|` + stringRE + `)*\}|\()?`)
	matcher  = regexp.MustCompile(matcherRE)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring)\s*\(([^)]*)\)`)
	duration = regexp.MustCompile(`\[[^\]]*\]|\boffset\s+\w+`)
	mention  = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}`)
)

// read adds a process's metrics, in Prometheus' text format. Prometheus adds job
// and instance to each.
func (e exported) read(text string) {
	for line := range strings.Lines(text) {
		m := selector.FindStringSubmatchIndex(line)
		if line[0] == '#' || m == nil || m[0] != 0 {
			continue
		}
		name := line[m[2]:m[3]]
		if e[name] == nil {
			e[name] = map[string]map[string]bool{"job": {}, "instance": {}}
		}
		if m[4] < 0 {
			continue
		}
		for _, l := range matcher.FindAllStringSubmatch(line[m[4]:m[5]], -1) {
			if e[name][l[1]] == nil {
				e[name][l[1]] = map[string]bool{}
			}
			e[name][l[1]][strings.Trim(l[3], `"`)] = true
		}
	}
}

// check says what is wrong with an expression and the text that is shown of its
// results: a metric, a label or a label's value that nobody exports. It knows
// enough of PromQL for that and not its grammar, whose parser weighs more than
// oort.
func (e exported) check(expr, legend string) (wrong []string) {
	if strings.Count(expr, "(") != strings.Count(expr, ")") {
		wrong = append(wrong, "unbalanced")
	}
	labels := map[string]bool{} // of any metric in it
	var shown []string          // what grouping leaves; nil for all
	rest := duration.ReplaceAllString(expr, "")
	rest = grouping.ReplaceAllStringFunc(rest, func(s string) string {
		if m := grouping.FindStringSubmatch(s); m[1] == "by" {
			shown = append(shown, strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })...)
		}
		return ""
	})
	found := 0
	for _, m := range selector.FindAllStringSubmatch(rest, -1) {
		name, braces := m[1], m[2]
		if braces == "(" || slices.Contains([]string{"and", "or", "unless", "sum", "max", "min", "avg", "count"}, name) {
			continue
		}
		found++
		metric, ok := e[name]
		if !ok {
			wrong = append(wrong, "no metric "+name)
			continue
		}
		for label := range metric {
			labels[label] = true
		}
		for _, l := range matcher.FindAllStringSubmatch(braces, -1) {
			wrong = append(wrong, e.checkMatcher(name, l[1], strings.Trim(l[3], `"`))...)
		}
	}
	if found == 0 {
		wrong = append(wrong, "no metric at all")
	}
	for _, label := range shown {
		if !labels[label] {
			wrong = append(wrong, "grouped by a label that no metric has: "+label)
		}
	}
	for _, m := range mention.FindAllStringSubmatch(legend, -1) {
		if !labels[m[1]] || shown != nil && !slices.Contains(shown, m[1]) {
			wrong = append(wrong, "tells of a label that the result lacks: "+m[1])
		}
	}
	return wrong
}

func (e exported) checkMatcher(name, label, values string) (wrong []string) {
	known, ok := e[name][label]
	switch {
	case !ok:
		return []string{"no label " + label + " of " + name}
	case label == "job" || label == "instance":
		return nil
	}
	for value := range strings.SplitSeq(values, "|") {
		if !known[value] {
			wrong = append(wrong, fmt.Sprintf("%s{%s} is never %q", name, label, value))
		}
	}
	return wrong
}

// TestWrongQueriesAreFound shows that each rule can fail.
func TestWrongQueriesAreFound(t *testing.T) {
	e := exported{}
	e.read("# HELP links_total Links.\nlinks_total{state=\"live\",path=\"/a/{id}\"} 3\nlinks_total{state=\"other\"} 1\nup 1\nt_bucket{le=\"+Inf\"} 1\n")
	for _, row := range []struct{ expr, legend, want string }{
		{`sum by (state) (rate(links_total{state=~"live|other"}[5m])) > 0.5 and on (instance) up`, "{{state}}", ""},
		{`histogram_quantile(0.9, sum by (le) (rate(t_bucket[$__rate_interval])))`, "", ""},
		{`links_total{path="/a/{id}"} offset 5m / links_total`, "{{instance}} {{ $labels.state }}", ""},
		{`sum(rate(link_total[5m]))`, "", "no metric link_total"},
		{`links_total{stat="live"}`, "", "no label stat of links_total"},
		{`links_total{state!="dead"}`, "", `links_total{state} is never "dead"`},
		{`links_total{state=~"live|dead"}`, "", `links_total{state} is never "dead"`},
		{`sum by (lane) (links_total)`, "", "grouped by a label that no metric has: lane"},
		{`sum by (state) (links_total)`, "{{instance}}", "tells of a label that the result lacks: instance"},
		{`links_total`, "{{lane}}", "tells of a label that the result lacks: lane"},
		{`sum(links_total`, "", "unbalanced"},
		{`1 > 2`, "", "no metric at all"},
	} {
		if got := strings.Join(e.check(row.expr, row.legend), "; "); got != row.want {
			t.Errorf("%s, %q: %q, want %q", row.expr, row.legend, got, row.want)
		}
	}
}
