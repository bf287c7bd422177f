package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func pageOf(t *testing.T, r *Run) string {
	t.Helper()
	var b strings.Builder
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// elements of a page, which is also well-formed XML, so that a strict reader
// finds what a browser would forgive.
func elements(t *testing.T, page string) (all []xml.StartElement) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			line, column := d.InputPos()
			t.Fatalf("%d:%d: %v", line, column, err)
		}
		if e, ok := token.(xml.StartElement); ok {
			all = append(all, e.Copy())
		}
	}
}

func pagesToCheck() map[string]*Run {
	faulty := single(made(5, 5, 1000, 15000), 5)
	faulty.Cases[2].Fault(`3 of 15,000 lost <b>& "more"</b>`)
	faulty.Environment.Virtual = "<QEMU>"
	named := made(2, 5, 10)
	named.Cases[0].Engine = `</svg><script>alert(1)</script>`
	named.Describe(Scenario{Name: "fanout", About: "<i>", Command: "a && b"})
	gaps := made(3, 5, 100, 1000)
	gaps.Cases[1].Metrics = gaps.Cases[1].Metrics[:1]
	gaps.Cases[2].Metrics = nil
	zero := New(made(0, 0).Started)
	for range 4 {
		zero.Case("zero", "a", Is("x", 0)).Add("n", "", Higher, 0)
		zero.Case("zero", "b", Is("x", 1)).Add("n", "", Higher, -2)
	}
	return map[string]*Run{
		"two engines": single(made(2, 5, 15000), 5), "seven engines": single(made(7, 6, 100, 1000, 5000, 15000), 6),
		"one sample": single(made(3, 1, 1000, 15000), 1), "faults": faulty, "hostile names": named, "missing metrics": gaps,
		"zeros": zero, "nothing": made(0, 0), "many scenarios": manyScenarios(),
	}
}

func manyScenarios() *Run {
	r := made(2, 4, 10)
	for i := range 6 {
		r.Case("scenario "+strconv.Itoa(i), "epoll", Is("mode", "tcp")).Add("n", "", Higher, 1)
		r.Case("scenario "+strconv.Itoa(i), "epoll", Is("mode", "ws")).Add("n", "", Higher, 2)
	}
	return r
}

func TestPages(t *testing.T) {
	for name, r := range pagesToCheck() {
		t.Run(name, func(t *testing.T) {
			page := pageOf(t, r)
			for _, e := range elements(t, page) {
				checkElement(t, e)
			}
			if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || strings.Contains(page, "ZgotmplZ") {
				t.Error("a number or a string could not be written")
			}
			for _, c := range r.Cases {
				for _, f := range c.Faults {
					if !strings.Contains(page[:strings.Index(page, "</header>")], strings.Split(f, "<")[0]) {
						t.Errorf("fault %q is not in the page's head", f)
					}
				}
			}
		})
	}
}

// checkElement: nothing is fetched, nothing runs, nothing is drawn outside.
func checkElement(t *testing.T, e xml.StartElement) {
	t.Helper()
	if slices.Contains([]string{"script", "link", "img", "iframe", "object", "embed", "base", "use", "image"}, e.Name.Local) {
		t.Errorf("element %s", e.Name.Local)
	}
	for _, a := range e.Attr {
		switch {
		case strings.HasPrefix(a.Name.Local, "on"), a.Name.Local == "src", a.Name.Local == "style":
			t.Errorf("attribute %s of %s", a.Name.Local, e.Name.Local)
		case a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#"):
			t.Errorf("a link to %q", a.Value)
		case slices.Contains([]string{"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "r"}, a.Name.Local):
			v, err := strconv.ParseFloat(a.Value, 64)
			if err != nil || math.IsNaN(v) || v < -1 || v > 500 {
				t.Errorf("%s %s = %q", e.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

func TestStyleFetchesNothing(t *testing.T) {
	page := pageOf(t, made(1, 1, 10))
	for _, word := range []string{"url(", "@import", "http:", "https:", "//"} {
		if strings.Contains(page, word) {
			t.Errorf("the page has %q", word)
		}
	}
}

func TestVerdict(t *testing.T) {
	tests := []struct {
		engines, repeat int
		want            string
	}{
		{1, 5, ""},
		{2, 3, tooFew},
		{2, 5, "uring is best, 0.99 × the floor; epoll follows, 19 % worse"},
	}
	for _, tt := range tests {
		s := made(tt.engines, tt.repeat, 15000).sections()[0]
		if got := s.last().verdict(s.engines, "CPU a write"); got != tt.want {
			t.Errorf("%d engines, %d repetitions: %q, want %q", tt.engines, tt.repeat, got, tt.want)
		}
	}
	for _, tt := range []struct {
		a, b float64
		want string
	}{
		{10, 30, "a is best; b follows, worse by a factor of 3"}, {0, 30, "a is best; b follows"}, {30, -10, "b is best; a follows"},
		{-30, -10, "a is best; b follows, worse by a factor of 3"}, {30, 0, "b is best; a follows"},
	} {
		r := New(made(0, 0).Started)
		for range 5 {
			r.Case("s", "a").Add("n", "", Lower, tt.a)
			r.Case("s", "b").Add("n", "", Lower, tt.b)
		}
		if got := r.sections()[0].verdict("n"); got != tt.want {
			t.Errorf("%v and %v: %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
	r := made(2, 5, 15000)
	third := r.Case("fanout", "twin", r.Cases[1].Point...)
	third.Metrics = r.Cases[1].Metrics
	s := r.sections()[0]
	if got := s.last().verdict(s.engines, "CPU a write"); got != "uring and twin lead, with no difference beyond the noise" {
		t.Errorf("twins: %q", got)
	}
	r.Cases[0].Metrics = r.Cases[1].Metrics
	if got := s.last().verdict(s.engines, "writes"); got != "no difference beyond the noise" {
		t.Errorf("triplets: %q", got)
	}
}

func TestPanels(t *testing.T) {
	r := New(made(0, 0).Started)
	for _, mode := range []string{"tcp", "ws"} {
		for _, size := range []int{1024, 64} {
			for _, members := range []int{15000, 100, 1000} {
				r.Case("s", "e", Is("mode", mode), Is("size", size), Is("members", members), Is("rate", 30000/members), Is("fixed", 5)).Add("n", "", Lower, 1)
			}
		}
	}
	s := r.sections()[0]
	var titles []string
	for _, p := range s.panels() {
		titles = append(titles, p.title)
		if p.along != "members" || len(p.groups) != 3 || p.x(p.groups[0]) != 100 || p.x(p.groups[2]) != 15000 {
			t.Errorf("panel %q along %q has %d groups from %v", p.title, p.along, len(p.groups), p.x(p.groups[0]))
		}
	}
	if want := []string{"mode tcp, size 1024", "mode tcp, size 64", "mode ws, size 1024", "mode ws, size 64"}; !slices.Equal(titles, want) {
		t.Errorf("%q, want %q", titles, want)
	}
	if got := pointTitle(s.fixed()); got != "fixed 5" {
		t.Errorf("fixed %q", got)
	}
}

func TestScales(t *testing.T) {
	for _, tt := range []struct {
		s    scale
		want []float64
	}{
		{evenScale([]float64{7.3}, 0, 1), []float64{0, 2, 4, 6}},
		{evenScale([]float64{-3, 5}, 0, 1), []float64{-2, 0, 2, 4}},
		{evenScale(nil, 0, 1), []float64{0, .5, 1}},
		{scaleFor([]float64{10, 1000}, 30, 0, 1), []float64{10, 20, 50, 100, 200, 500, 1000}},
		{scaleFor([]float64{1, 1e6}, 30, 0, 1), []float64{1, 10, 100, 1000, 1e4, 1e5, 1e6}},
		{scaleFor([]float64{1, 1e12}, 30, 0, 1), []float64{1, 100, 1e4, 1e6, 1e8, 1e10, 1e12}},
		{evenScale([]float64{math.MaxFloat64}, 0, 1), []float64{0, .5e308, 1e308, 1.5e308}},
		{evenScale([]float64{-math.MaxFloat64, math.MaxFloat64}, 0, 1), nil},
		{evenScale([]float64{math.SmallestNonzeroFloat64}, 0, 1), nil},
		{scaleFor([]float64{10, 100}, 30, 0, 1), []float64{0, 50, 100}},
	} {
		if got := tt.s.ticks(); !slices.EqualFunc(got, tt.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9*max(1, b) }) {
			t.Errorf("%+v: %v, want %v", tt.s, got, tt.want)
		}
	}
	s := along([]float64{100, 10000, 1000}, 0, 100)
	if s.at(100) != 0 || math.Abs(s.at(1000)-50) > 1e-9 || s.at(10000) != 100 {
		t.Errorf("%+v: %v %v %v", s, s.at(100), s.at(1000), s.at(10000))
	}
	at := []float64{50, 10, 11, 98, 99, 100}
	apart(at, 10, 0, 100)
	if want := []float64{50, 10, 20, 80, 90, 100}; !slices.Equal(at, want) {
		t.Errorf("apart: %v, want %v", at, want)
	}
}
