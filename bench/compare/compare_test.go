package compare

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load of the machine, cost of a write and its noise make a run.
type load struct {
	seed                uint64
	cost, floor, writes float64
	repeat              int
	members             []int
}

var usual = load{seed: 1, cost: 6, floor: 5, writes: 100_000, repeat: 6, members: []int{1000, 15000}}

func (l load) run() *report.Run {
	r := report.New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	r.Environment = report.Environment{OS: "linux/amd64", Kernel: "6.18", CPU: "Made", CPUs: 2, Go: "go1.26", Load: "0 0 0", Commit: "abc", Args: []string{"bench"}}
	random := rand.New(rand.NewPCG(l.seed, 7))
	about := func(v float64) float64 { return v * (1 + .02*random.NormFloat64()) }
	for range l.repeat {
		for _, members := range l.members {
			c := r.Case("fanout", "epoll", report.Is("members", members), report.Is("size", 64))
			c.Add("CPU a write", "µs", report.Lower, about(l.cost))
			c.AddFloor("CPU a write", about(l.floor))
			c.Add("writes", "/s", report.Higher, about(l.writes))
			c.Add("context", "", "", about(100))
		}
	}
	return r
}

func text(t *testing.T, c *Comparison) string {
	t.Helper()
	var b strings.Builder
	if err := c.Text(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func wantText(t *testing.T, got string, with, without []string) {
	t.Helper()
	for _, w := range with {
		if !strings.Contains(got, w) {
			t.Errorf("no %q in\n%s", w, got)
		}
	}
	for _, w := range without {
		if strings.Contains(got, w) {
			t.Errorf("%q in\n%s", w, got)
		}
	}
}

func TestNoChange(t *testing.T) {
	other := usual
	other.seed = 2
	c := Runs(usual.run(), other.run())
	if judged, moved := c.Judged(); judged != 6 || moved != 0 {
		t.Errorf("%d of %d moved", moved, judged)
	}
	wantText(t, text(t, c), []string{"0 of 6 metrics moved", "~"}, []string{"WORSE", "better", "Not the same", "only in", "context"})
	if err := c.fail(0); err != nil {
		t.Error(err)
	}
}

func TestTheSameRun(t *testing.T) {
	c := Runs(usual.run(), usual.run())
	if _, moved := c.Judged(); moved != 0 {
		t.Errorf("%d moved", moved)
	}
}

func TestChange(t *testing.T) {
	worse := usual
	worse.seed, worse.cost, worse.writes = 3, 7.2, 120_000
	c := Runs(usual.run(), worse.run())
	wantText(t, text(t, c), []string{"6 of 6 metrics moved", "WORSE", "better", "CPU a write ÷ floor"}, []string{"~", "Too few"})
	// A metric with a floor counts by its ratio, once.
	if got := c.Regressions(10); len(got) != 2 || got[0] != "fanout epoll (members 1000, size 64): CPU a write ÷ floor" {
		t.Errorf("regressions %q", got)
	}
	if got := c.Regressions(40); len(got) != 0 {
		t.Errorf("by 40 %%: %q", got)
	}
	if err := c.fail(10); !errors.Is(err, ErrRegression) {
		t.Error(err)
	}
	back := Runs(worse.run(), usual.run())
	if got := back.Regressions(10); len(got) != 2 || !strings.HasSuffix(got[0], ": writes") {
		t.Errorf("the other way: %q", got)
	}
}

// A slower machine makes both dearer, the write and its floor.
func TestSlowerMachine(t *testing.T) {
	slow := usual
	slow.seed, slow.cost, slow.floor = 5, 9, 7.5
	c := Runs(usual.run(), slow.run())
	for _, l := range c.Pairs[0].Lines {
		switch l.Name {
		case "CPU a write":
			if !l.Worse() {
				t.Errorf("%+v did not become worse", l)
			}
		case "CPU a write ÷ floor":
			if l.moved() {
				t.Errorf("%+v moved", l)
			}
		}
	}
	if err := c.fail(1); err != nil {
		t.Error(err)
	}
}

func TestTooFew(t *testing.T) {
	few, worse := usual, usual
	few.repeat, worse.repeat, worse.cost = 3, 3, 60
	c := Runs(few.run(), worse.run())
	wantText(t, text(t, c), []string{"too few samples (3 and 3)", "Too few repetitions to judge anything"}, []string{"WORSE", "~"})
	if c.fail(1) == nil {
		t.Error("a check that could judge nothing has passed")
	}
}

func TestOtherPointsAndConditions(t *testing.T) {
	other := usual
	other.members = []int{15000, 50000}
	new := other.run()
	new.Environment.Kernel, new.Environment.Load, new.Environment.Commit, new.Environment.Governor = "6.19", "1 1 1", "def", "performance"
	new.Set("loops", 2)
	for _, c := range new.Cases {
		slices.Reverse(c.Point) // the order of settings does not matter
	}
	new.Cases[0].Metrics[2].Unit = "/min" // no more the same metric
	new.Cases[0].Fault("one lost")
	c := Runs(usual.run(), new)
	if len(c.Pairs) != 1 || len(c.OnlyOld) != 1 || len(c.OnlyNew) != 1 || len(c.Changed) != 3 {
		t.Errorf("%+v", c)
	}
	wantText(t, text(t, c), []string{
		"Not the same conditions", "kernel", "→ 6.19", "(none)  → performance", "loops",
		"only in old: fanout epoll (members 1000, size 64)", "only in new: fanout epoll (size 64, members 50000)", "FAULT in new: ", "one lost",
	}, []string{"\nwrites"})
	if got := text(t, Runs(usual.run(), report.New(time.Now()))); !strings.Contains(got, "no case in common") {
		t.Error(got)
	}
}

func TestPercent(t *testing.T) {
	line := func(old, new float64) Line {
		l := Line{}
		l.Old.Median, l.New.Median = old, new
		return l
	}
	for l, want := range map[Line]float64{line(2, 3): 50, line(-2, -3): -50, line(0, 0): 0, line(0, 1): math.Inf(1), line(4, 3): -25} {
		if got := l.Percent(); got != want {
			t.Errorf("%v to %v: %v, want %v", l.Old.Median, l.New.Median, got, want)
		}
	}
}

func write(t *testing.T, r *report.Run) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "run.json")
	if err := r.WriteFile(name, r.JSON); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCommand(t *testing.T) {
	worse := usual
	worse.cost = 9
	faulty := usual.run()
	faulty.Cases[0].Fault("one lost")
	damaged := filepath.Join(t.TempDir(), "damaged.json")
	if err := os.WriteFile(damaged, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	five := 5.0
	old, bad := write(t, usual.run()), write(t, worse.run())
	for name, tt := range map[string]struct {
		Command
		want error
	}{
		"a regression":                 {Command{Old: old, New: bad}, nil},
		"a regression that may not be": {Command{Old: old, New: bad, FailOnRegression: &five}, ErrRegression},
		"an improvement":               {Command{Old: bad, New: old, FailOnRegression: &five}, nil},
		"a run with faults":            {Command{Old: old, New: write(t, faulty), FailOnRegression: &five}, report.ErrFaults},
		"faults that are only told":    {Command{Old: old, New: write(t, faulty)}, nil},
		"no such file":                 {Command{Old: old, New: "no-such-file"}, os.ErrNotExist},
		"a damaged file":               {Command{Old: damaged, New: old}, report.ErrFormat},
	} {
		var out strings.Builder
		if err := tt.Command.Run(&out); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	minus := -1.0
	if (&Command{FailOnRegression: &minus}).Validate() == nil {
		t.Error("took a negative threshold")
	}
}
