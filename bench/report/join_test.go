package report

import (
	"errors"
	"testing"
	"time"
)

func TestJoin(t *testing.T) {
	a, b := made(2, 5, 10), made(2, 5, 100)
	b.Started = a.Started.Add(-time.Hour)
	b.Environment.Load, b.Environment.Args = "1 2 3", []string{"other"}
	b.Set("loops", 2)
	a.Set("loops", 3)
	b.Describe(Scenario{Name: "idle", Command: "oort idle"})
	n := len(a.Cases) + len(b.Cases)
	all, err := Join(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) != n || all.Started != b.Started || all.Took != a.Took+b.Took || all.Environment.Load != "1 2 3" ||
		len(all.Settings) != 1 || len(all.Scenarios) != 2 || all.Environment.command() != "" {
		t.Errorf("%+v", all)
	}
	if c := all.Case("fanout", "uring", b.Cases[1].Point...); len(c.Metrics) != len(b.Cases[1].Metrics) {
		t.Errorf("%+v", c)
	}
	if one, err := Join(a); one != a || err != nil {
		t.Error(one, err)
	}
}

func TestJoinRefuses(t *testing.T) {
	for name, change := range map[string]func(*Run){
		"the same case": func(r *Run) { r.Cases[0].Point = []Setting{Is("members", 10), Is("size", 64)} },
		"kernel":        func(r *Run) { r.Environment.Kernel = "5" },
		"sysctl":        func(r *Run) { r.Environment.Sysctls = nil },
		"commit":        func(r *Run) { r.Environment.Commit = "other" },
	} {
		other := made(2, 5, 100)
		change(other)
		if r, err := Join(made(2, 5, 10), other); !errors.Is(err, ErrMixed) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}
