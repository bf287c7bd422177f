package engines

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// idle is a handler that does nothing.
type idle struct{}

func (idle) OnOpen(poller.ID, poller.Conn)         {}
func (idle) OnData(_ poller.ID, in []byte) int     { return len(in) }
func (idle) OnWritable(poller.ID)                  {}
func (idle) OnClose(poller.ID, error)              {}
func (idle) OnTask(poller.Task)                    {}
func (idle) OnTurn(time.Time) (wait time.Duration) { return -1 }
func (idle) OnStop()                               {}

var options = poller.Options{
	Listen:     []string{"127.0.0.1:0"},
	Loops:      1,
	NewHandler: func(poller.Loop) poller.Handler { return idle{} },
}

func TestOpenBySpec(t *testing.T) {
	for _, spec := range append(Specs(), "") {
		e, err := Open(spec, options)
		if err != nil {
			t.Fatalf("%q: %v", spec, err)
		}
		want := spec
		if spec == "" {
			want = Names()[0]
		}
		if e.Name() != want {
			t.Errorf("Open(%q) opened %q", spec, e.Name())
		}
		if err := e.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(Names(), "std") {
		t.Errorf("std is missing in %q", Names())
	}
}

var errOld = errors.New("kernel 5.4 is older than 6.1")

// fiction is a list of which the best engine is missing.
func fiction(opened *[]string) list {
	note := func(name string) func(poller.Options, []string) (poller.Engine, error) {
		return func(_ poller.Options, with []string) (poller.Engine, error) {
			*opened = append([]string{name}, with...)
			return nil, nil
		}
	}
	return list{
		{name: "ring", open: note("ring"), missing: func() error { return errOld }, variants: []string{"big"}, knows: []string{"big"}},
		{name: "tree", open: note("tree"), missing: func() error { return nil }, knows: []string{"red", "tall"}, variants: []string{"red", "red+tall"}},
		{name: "bare", open: note("bare")},
	}
}

func TestSpecs(t *testing.T) {
	for _, c := range []struct {
		spec   string
		opens  []string
		err    error
		naming []string
	}{
		{spec: "tree", opens: []string{"tree"}},
		{spec: "", opens: []string{"tree"}},
		{spec: "+red", opens: []string{"tree", "red"}},
		{spec: "tree+tall+red", opens: []string{"tree", "tall", "red"}},
		{spec: "bare", opens: []string{"bare"}},
		{spec: "tre", err: ErrUnknown, naming: []string{`"tre"`, "tree", "bare"}},
		{spec: "auto", err: ErrUnknown},
		{spec: "tree+blue", err: ErrUnknownOption, naming: []string{`"blue"`, "tree", "red", "tall"}},
		{spec: "tree+", err: ErrUnknownOption, naming: []string{`""`}},
		{spec: "tree red", err: ErrUnknown},
		{spec: "bare+red", err: ErrUnknownOption, naming: []string{`"red"`, "bare has none"}},
		{spec: "ring", err: ErrMissing, naming: []string{`"ring"`, "kernel 5.4"}},
		{spec: "ring+big", err: errOld},
		{spec: "ring+small", err: ErrMissing},
	} {
		var opened []string
		l := fiction(&opened)
		_, err := l.open(c.spec, options)
		if !errors.Is(err, c.err) || !slices.Equal(opened, c.opens) {
			t.Errorf("%q opened %q, error %v", c.spec, opened, err)
		}
		for _, word := range c.naming {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q: %q does not name %s", c.spec, err, word)
			}
		}
	}
}

func TestMissingEnginesAreNotListed(t *testing.T) {
	l := fiction(new([]string))
	if got := l.names(); !slices.Equal(got, []string{"tree", "bare"}) {
		t.Errorf("names %q", got)
	}
	if got := l.specs(); !slices.Equal(got, []string{"tree", "tree+red", "tree+red+tall", "bare"}) {
		t.Errorf("specs %q", got)
	}
}

func TestUnknown(t *testing.T) {
	for _, err := range []error{Check("epol"), Check("epol+edge")} {
		if !errors.Is(err, ErrUnknown) {
			t.Fatalf("got %v", err)
		}
		for _, name := range append(Names(), `"epol"`) {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%q does not name %s", err, name)
			}
		}
	}
	if err := Check("std"); err != nil {
		t.Error(err)
	}
}
