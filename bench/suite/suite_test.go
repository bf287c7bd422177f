package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oortim/oort/bench/report"
)

// made is a scenario whose rounds only note that they were run.
type made struct {
	name   string
	points []string
	log    *[]string
	round  func(r *Round, point string) error
}

func (m made) Name() string  { return m.name }
func (m made) About() string { return "about " + m.name }
func (m made) Points() (points []Point) {
	for _, p := range m.points {
		points = append(points, madePoint{m, p})
	}
	return points
}

type madePoint struct {
	made
	value string
}

func (p madePoint) Settings() []report.Setting { return []report.Setting{report.Is("at", p.value)} }

func (p madePoint) Round(_ context.Context, r *Round) error {
	*p.log = append(*p.log, p.name+p.value+r.Engine)
	r.Phase("at %s", p.value)
	if p.round != nil {
		return p.round(r, p.value)
	}
	r.Case.Add("cost", "µs", report.Lower, float64(len(*p.log)))
	return nil
}

func TestOrder(t *testing.T) {
	var log []string
	f := Flags{Engines: []string{"epoll", "std"}, Repeat: 3, Warmup: 1}
	a := made{name: "a", points: []string{"1", "2"}, log: &log}
	b := made{name: "b", points: []string{"1"}, log: &log}
	var out, watch bytes.Buffer
	if err := f.Measure(t.Context(), &out, &watch, a, b); err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(`
		a1epoll a1std
		a1epoll a1std  a1std a1epoll  a1epoll a1std
		a2epoll a2std  a2std a2epoll  a2epoll a2std
		b1epoll b1std
		b1epoll b1std  b1std b1epoll  b1epoll b1std`)
	if !slices.Equal(log, want) {
		t.Errorf("rounds\n%v, want\n%v", log, want)
	}
	lines := strings.Split(strings.TrimSpace(watch.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines of progress for %d rounds:\n%s", len(lines), len(want), watch.String())
	}
	for i, text := range []string{"[1/22] a epoll (at 1), warm-up: cost 1 µs in", "[2/22] a std (at 1), warm-up", "[3/22] a epoll (at 1), round 1: cost 3 µs"} {
		if !strings.HasPrefix(lines[i], text) {
			t.Errorf("line %d is %q, want %q", i, lines[i], text)
		}
	}
	if !strings.Contains(lines[4], "gone, about ") || !strings.Contains(lines[21], "[22/22]") || strings.Contains(lines[21], "left") {
		t.Errorf("progress:\n%s", watch.String())
	}
}

func TestResults(t *testing.T) {
	var log []string
	dir := t.TempDir()
	f := Flags{Engines: []string{"epoll", "std"}, Repeat: 2, Warmup: 1, JSON: filepath.Join(dir, "a.json"), HTML: filepath.Join(dir, "a.html")}
	var out, watch bytes.Buffer
	if err := f.Measure(t.Context(), &out, &watch, made{name: "a", points: []string{"1"}, log: &log}); err != nil {
		t.Fatal(err)
	}
	run, err := report.ReadFile(f.JSON)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Cases) != 2 || run.Took <= 0 {
		t.Fatalf("%d cases in %v", len(run.Cases), run.Took)
	}
	// Rounds 1 and 2 warm up; then epoll, std, std, epoll.
	for engine, want := range map[string][]float64{"epoll": {3, 6}, "std": {4, 5}} {
		c := run.Case("a", engine, report.Is("at", 1))
		if m := c.Metric("cost"); m == nil || !slices.Equal(m.Samples, want) {
			t.Errorf("%s: %+v, want %v", engine, m, want)
		}
	}
	if s := run.Scenarios; len(s) != 1 || s[0].About != "about a" || !strings.HasPrefix(s[0].Command, "oort ") {
		t.Errorf("%+v", s)
	}
	page, err := os.ReadFile(f.HTML)
	if err != nil || !bytes.Contains(page, []byte("about a")) {
		t.Errorf("page of %d bytes, %v", len(page), err)
	}
	if !strings.Contains(out.String(), "cost") {
		t.Errorf("table:\n%s", out.String())
	}
}

// What goes wrong must be told, must fail the run, and must not keep the rest
// from being measured.
func TestFaults(t *testing.T) {
	var log []string
	dir := t.TempDir()
	f := Flags{Engines: []string{"epoll", "std"}, Repeat: 2, Warmup: 1, JSON: filepath.Join(dir, "a.json")}
	s := made{name: "a", points: []string{"1", "2"}, log: &log, round: func(r *Round, point string) error {
		switch {
		case len(log) == 1:
			r.Case.Fault("odd")
		case point == "2" && r.Engine == "std":
			return errors.New("no answer")
		}
		r.Case.Add("cost", "µs", report.Lower, 1)
		return nil
	}}
	var out, watch bytes.Buffer
	err := f.Measure(t.Context(), &out, &watch, s)
	if !errors.Is(err, report.ErrFaults) {
		t.Fatalf("got %v", err)
	}
	if len(log) != 10 {
		t.Errorf("%d rounds", len(log))
	}
	run, err := report.ReadFile(f.JSON)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a epoll (at 1): odd", "a std (at 2): not measured: no answer", "a std (at 2): not measured: no answer"}
	if got := run.Faults(); !slices.Equal(got, want) {
		t.Errorf("faults %q, want %q", got, want)
	}
	for _, want := range []string{"warm-up: FAULT: odd", "FAULT: not measured: no answer"} {
		if !strings.Contains(watch.String(), want) {
			t.Errorf("progress lacks %q:\n%s", want, watch.String())
		}
	}
}

func TestInterrupt(t *testing.T) {
	var log []string
	ctx, cancel := context.WithCancel(t.Context())
	f := Flags{Engines: []string{"epoll"}, Repeat: 5, JSON: filepath.Join(t.TempDir(), "a.json")}
	s := made{name: "a", points: []string{"1"}, log: &log, round: func(r *Round, _ string) error {
		r.Case.Add("cost", "µs", report.Lower, 1)
		if len(log) == 2 {
			cancel()
			return ctx.Err()
		}
		return nil
	}}
	var out, watch bytes.Buffer
	if err := f.Measure(ctx, &out, &watch, s); !errors.Is(err, context.Canceled) || errors.Is(err, report.ErrFaults) {
		t.Errorf("got %v", err)
	}
	run, err := report.ReadFile(f.JSON)
	if err != nil || len(log) != 2 || len(run.Cases) != 1 {
		t.Errorf("%d rounds; %+v, %v", len(log), run, err)
	}
}

func TestFilesThatCannotBeWritten(t *testing.T) {
	var log []string
	f := Flags{Engines: []string{"epoll"}, Repeat: 1, JSON: filepath.Join(t.TempDir(), "no", "such.json")}
	var out, watch bytes.Buffer
	if err := f.Measure(t.Context(), &out, &watch, made{name: "a", points: []string{"1"}, log: &log}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "cost") {
		t.Error("no table")
	}
}

func TestValidate(t *testing.T) {
	ok := Flags{Repeat: 1}
	for _, tt := range []struct {
		change func(*Flags)
		want   string
	}{
		{func(*Flags) {}, ""},
		{func(f *Flags) { f.Engines = []string{"std"} }, ""},
		{func(f *Flags) { f.Repeat = 0 }, "--repeat 0"},
		{func(f *Flags) { f.Warmup = -1 }, "--warmup -1"},
		{func(f *Flags) { f.Loops = -1 }, "--loops -1"},
		{func(f *Flags) { f.Engines = []string{"std", "warp"} }, `"warp"`},
	} {
		f := ok
		tt.change(&f)
		if err := f.Validate(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", f, err, tt.want)
		}
	}
}

func TestLendFloors(t *testing.T) {
	run := &report.Run{}
	at, elsewhere := report.Is("members", 1), report.Is("members", 2)
	has := func(engine string, at report.Setting, floors, samples int) *report.Case {
		c := run.Case("fanout", engine, at)
		for i := range samples {
			c.Add("cost", "µs", report.Lower, 2)
			if i < floors {
				c.AddFloor("cost", 1+float64(i))
			}
		}
		return c
	}
	borrower := has("uring", at, 0, 2)
	has("epoll", at, 2, 2)
	few := has("std", elsewhere, 0, 3)
	has("gnet", elsewhere, 2, 2)
	lendFloors(run)
	if m := borrower.Metric("cost"); m.Floor == "" || !slices.Equal(borrower.Metric(m.Floor).Samples, []float64{1, 2}) {
		t.Errorf("not lent: %+v", m)
	}
	if m := few.Metric("cost"); m.Floor != "" {
		t.Errorf("lent though the rounds differ: %+v", m)
	}
	if s := fmt.Sprint(run.Settings); s != "[floor of fanout uring (members 1) that of epoll]" {
		t.Errorf("settings %s", s)
	}
}

// What a round is told, beside engine and point.
func TestRound(t *testing.T) {
	var log, told []string
	dir := t.TempDir()
	f := Flags{Repeat: 2, Warmup: 1, Loops: 3, CPUDir: dir}
	s := choosy{made{name: "a", points: []string{"1 / 2"}, log: &log, round: func(r *Round, _ string) error {
		told = append(told, fmt.Sprintf("%s %d %d %s", r.Engine, r.Loops, r.Nth, strings.TrimPrefix(r.Profile, dir)))
		return nil
	}}}
	var out, watch bytes.Buffer
	if err := f.Measure(t.Context(), &out, &watch, s); err != nil {
		t.Fatal(err)
	}
	want := []string{"epoll+odd 3 1 ", "epoll+odd 3 1 /a-epoll+odd-at=1___2-1.pprof", "epoll+odd 3 2 /a-epoll+odd-at=1___2-2.pprof"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// choosy is for one engine only.
type choosy struct{ made }

func (choosy) Engines() []string { return []string{"epoll+odd"} }

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{{"12 µs", 6, "12 µs"}, {"12 µs", 5, "12 …"}, {"12 µs", 1, "…"}, {"", 80, ""}} {
		if got := cut(tt.line, tt.width); got != tt.want {
			t.Errorf("%q to %d is %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}

// On a terminal one line changes, and is wiped at the end.
func TestLiveProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, live: true, width: func() int { return 40 }}
	p.begin(2)
	var log []string
	m := made{name: "a", points: []string{"1"}, log: &log}
	p.round(job{scenario: m, point: m.Points()[0], engine: "epoll", nth: 1})
	p.phase("dialling")
	p.done(&report.Case{}, 0)
	p.end()
	lines := strings.Split(out.String(), "\r\x1b[K")
	if len(lines) != 5 || lines[4] != "" {
		t.Fatalf("%q", lines)
	}
	if want := "[1/2] a epoll (at 1), round 1: startin…"; lines[1] != want {
		t.Errorf("%q, want %q", lines[1], want)
	}
	if !strings.HasPrefix(lines[3], "[1/2] a epoll (at 1), round 1: nothing in 0s; ") || !strings.HasSuffix(lines[3], "left\n") {
		t.Errorf("done: %q", lines[3])
	}
}
