package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/chaos/check"
	"github.com/oortim/oort/bench/chaos/history"
)

// The binaries are built once, with the race detector, which ends a process
// that has a race, and with the defects that OORT_FAULT switches on.
var oort, kfake string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "oort-chaos-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	oort, kfake = filepath.Join(dir, "oort"), filepath.Join(dir, "kfake")
	for path, pkg := range map[string]string{oort: "github.com/oortim/oort", kfake: "github.com/oortim/oort/deploy/kfake"} {
		cmd := exec.Command("go", "build", "-race", "-tags", "faults", "-buildvcs=false", "-o", path, pkg)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build", pkg, err)
			return 1
		}
	}
	if code := m.Run(); code != 0 {
		return code
	}
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// small is a cluster and a crowd that fit in a test.
func small(t *testing.T) Config {
	c := Config{
		Command: Command{
			Scenario: processes, Seed: 1, Duration: 4 * time.Second, Every: time.Second, Pace: 2 * time.Second,
			Links: 50, Rooms: 3, Rate: 100, Pushers: 16, Moving: 0.3,
			Logics: 1, Jobs: 1, Comets: 2,
			Dir: t.TempDir(), Oort: oort, Kfake: kfake,
		},
		Env:  []string{"GORACE=halt_on_error=1 atexit_sleep_ms=10"},
		calm: time.Second, quiet: 2 * time.Second,
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// Job and logic are killed and paused, and what is promised holds.
func TestShort(t *testing.T) {
	t.Parallel()
	c := small(t)
	c.Duration, c.Logics, c.Jobs = 12*time.Second, 2, 2
	c.quiet = 4 * time.Second
	c.acts = c.Scenario.acts(c.Seed, c.Duration, c.Every, c.Logics, c.Jobs, c.Comets)
	var log bytes.Buffer
	h, faults, err := execute(t.Context(), c, &log)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, log.Bytes(), logs(c.Dir))
	}
	if err := judge(h, faults, c.Dir, &log); err != nil {
		t.Errorf("%v\n%s", err, log.Bytes())
	}
	if len(h.Events) < 3 || len(h.Pushes) < 100 || len(h.Links) < c.Links {
		t.Errorf("%d blows, %d pushes, %d links: too little to mean anything\n%s", len(h.Events), len(h.Pushes), len(h.Links), log.Bytes())
	}
}

// What jobs drop since a comet does not take it is missing, and each message is
// explained by its own entry in their ledger.
func TestLedger(t *testing.T) {
	t.Parallel()
	c := small(t)
	c.MaxHold, c.Moving = time.Second, 0
	c.acts = []act{{500 * time.Millisecond, "comet-1", silence, 3 * time.Second}}
	var log bytes.Buffer
	h, faults, err := execute(t.Context(), c, &log)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, log.Bytes(), logs(c.Dir))
	}
	if err := judge(h, faults, c.Dir, &log); err != nil {
		t.Errorf("%v\n%s", err, log.Bytes())
	}
	v := check.Run(h)
	if v.Explained["job: slow"]+v.Explained["job: unknown"] == 0 {
		t.Errorf("nothing was dropped: %v\n%s", v.Explained, log.Bytes())
	}
	h.Drops = nil
	if len(check.Run(h).Violations) == 0 {
		t.Error("what is missing is explained without the ledger")
	}
}

// A run in which nobody was there is no good run.
func TestNothingToJudge(t *testing.T) {
	var log bytes.Buffer
	if err := judge(new(history.Run), nil, t.TempDir(), &log); !errors.Is(err, ErrViolated) || !strings.Contains(log.String(), errNothing.Error()) {
		t.Errorf("%v\n%s", err, log.Bytes())
	}
}

// Each of these defects is found by the rule that it breaks: so the rules, the
// clients and the pushers see what they are there to see.
func TestFaults(t *testing.T) {
	t.Parallel()
	at := func(at time.Duration, part, what string, last time.Duration) act { return act{at, part, what, last} }
	const ms = time.Millisecond
	for _, tc := range []struct {
		fault string
		rule  check.Rule
		acts  []act
		tune  func(*Config)
	}{
		{"commit-early", check.Missing, []act{
			at(500*ms, "comet-1", pause, 4*time.Second), at(3000*ms, "job-1", kill, 100*ms),
		}, func(c *Config) { c.Duration = 5 * time.Second }},
		{"disconnect-any", check.Absent, nil, func(c *Config) { c.Moving, c.Pace, c.Rate = 1, 3*time.Second, 200 }},
		{"round-robin", check.Order, []act{at(500*ms, "job-1", pause, 2*time.Second)}, nil},
		{"silent-drop", check.Missing, nil, nil},
		{"no-dedup", check.Double, nil, nil},
		{"produce-ok", check.Missing, []act{at(500*ms, "kafka", refuse, 5500*ms)}, nil},
	} {
		t.Run(tc.fault, func(t *testing.T) {
			t.Parallel()
			c := small(t)
			c.Env = append(c.Env, "OORT_FAULT="+tc.fault)
			c.acts = tc.acts
			if tc.tune != nil {
				tc.tune(&c)
			}
			var log bytes.Buffer
			h, _, err := execute(t.Context(), c, &log)
			if err != nil {
				t.Fatalf("%v\n%s%s", err, log.Bytes(), logs(c.Dir))
			}
			found := map[check.Rule]int{}
			for _, v := range check.Run(h).Violations {
				found[v.Rule]++
			}
			t.Logf("found %v in %d pushes", found, len(h.Pushes))
			if found[tc.rule] == 0 {
				t.Errorf("no violation of %q, only %v\n%s", tc.rule, found, log.Bytes())
			}
		})
	}
}

// logs is the end of each part's log.
func logs(dir string) string {
	var b strings.Builder
	files, _ := filepath.Glob(filepath.Join(dir, "logs", "*"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		fmt.Fprintf(&b, "== %s\n%s\n", filepath.Base(file), text[max(0, len(text)-1000):])
	}
	return b.String()
}

func TestPlan(t *testing.T) {
	const end = 10 * time.Minute
	for _, s := range []scenario{mixed, processes, wiping, kafkaAway, scaling} {
		acts := s.acts(7, end, 3*time.Second, 2, 3, 3)
		if !reflect.DeepEqual(acts, s.acts(7, end, 3*time.Second, 2, 3, 3)) {
			t.Errorf("%s: another plan from the same seed", s)
		}
		if reflect.DeepEqual(acts, s.acts(8, end, 3*time.Second, 2, 3, 3)) {
			t.Errorf("%s: the same plan from another seed", s)
		}
		if len(acts) < 30 {
			t.Errorf("%s: only %d blows in %v", s, len(acts), end)
		}
		until := map[string]time.Duration{}
		for _, a := range acts {
			if a.at < until[a.part] {
				t.Errorf("%s: %v while something is done to it until %v", s, a, until[a.part])
			}
			if until[a.part] = a.at + a.last; until[a.part] > end {
				t.Errorf("%s: %v lasts beyond the end", s, a)
			}
			if s == processes && a.what != kill && a.what != pause {
				t.Errorf("%s: %v", s, a)
			}
		}
	}
}

func TestReadCounts(t *testing.T) {
	counts, err := readCounts(strings.NewReader(`# HELP x
oort_comet_messages_total{lane="chat",outcome="slow"} 3
oort_comet_messages_total{lane="gift",outcome="slow"} 4
oort_comet_messages_total{lane="chat",outcome="delivered"} 1e+06
oort_comet_messages_total{lane="chat",outcome="shed"} 12
oort_comet_messages_total{lane="chat",outcome="closed"} 8
oort_comet_messages_total{lane="chat",outcome="collapsed"} 5
oort_comet_messages_total{lane="chat",outcome="canceled"} 5
oort_job_dropped_total{reason="closed"} 2
oort_job_links_total 9
`))
	if err != nil || !reflect.DeepEqual(counts, map[string]int{"slow": 7, "shed": 12}) {
		t.Errorf("%v, %v", counts, err)
	}
}

// A page that has the counters in another shape is told, and not read as zeros.
func TestReadNoCounts(t *testing.T) {
	if counts, err := readCounts(strings.NewReader("oort_comet_messages_total 3\nup 1\n")); !errors.Is(err, errNoCounters) {
		t.Errorf("%v, %v", counts, err)
	}
}

func TestBooks(t *testing.T) {
	var now time.Duration
	b := newBooks(func() time.Duration { now += time.Second; return now })
	b.book("comet-1", map[string]int{"slow": 0})
	b.book("comet-1", map[string]int{"slow": 3})
	b.book("comet-1", map[string]int{"slow": 3})
	b.book("comet-1", map[string]int{"slow": 2}) // a new process
	if len(b.entries) != 2 || b.entries[0].Count != 3 || b.entries[0].To != 2*time.Second || b.entries[1].Count != 2 {
		t.Errorf("%+v", b.entries)
	}
}
