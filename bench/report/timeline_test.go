package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// traced is a run with timelines: of two points, and one of a single reading.
func traced() *Run {
	r := New(made(0, 0).Started)
	for i, point := range []string{"a", "b"} {
		for _, engine := range []string{"epoll", "std"} {
			c := r.Case("soak", engine, Is("point", point))
			c.Add("n", "", Lower, float64(i))
			c.Trace(Timeline{Name: "RSS", Unit: "B", Seconds: []float64{0, 60, 120}, Values: []float64{1e6, -3e5, 9e7}})
		}
	}
	r.Cases[0].Trace(Timeline{Name: "short", Seconds: []float64{1}, Values: []float64{1}})
	r.Cases[0].Trace(Timeline{Name: "crooked", Seconds: []float64{1}, Values: []float64{1, 2, 3}})
	return r
}

func TestTimeline(t *testing.T) {
	r := traced()
	page := pageOf(t, r)
	for _, e := range elements(t, page) {
		checkElement(t, e)
	}
	if n := strings.Count(page, `aria-label="RSS in time"`); n != 2 {
		t.Errorf("%d charts of RSS, want one a point", n)
	}
	if strings.Contains(page, `aria-label="short in time"`) || strings.Contains(page, `aria-label="crooked in time"`) {
		t.Error("a chart of what is no line")
	}
	c := r.Cases[0]
	c.Trace(Timeline{Name: "RSS", Unit: "B", Seconds: []float64{0, 5}, Values: []float64{4, 5}})
	if got := c.Timeline("RSS"); len(c.Timelines) != 3 || len(got.Values) != 2 || c.Timeline("none") != nil {
		t.Errorf("the later one did not replace the earlier: %+v", c.Timelines)
	}
}

func TestTimelineIsKept(t *testing.T) {
	var b bytes.Buffer
	if err := traced().JSON(&b); err != nil {
		t.Fatal(err)
	}
	doc := b.String()
	r, err := Read(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Cases[0].Timeline("RSS"); got == nil || got.Unit != "B" || len(got.Seconds) != 3 || got.Values[2] != 9e7 {
		t.Errorf("%+v", got)
	}
	null := strings.Replace(doc, `"timelines": [`, `"timelines": [null,`, 1)
	if _, err := Read(strings.NewReader(null)); !errors.Is(err, ErrFormat) {
		t.Errorf("a null timeline: %v", err)
	}
}
