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

func TestOpenByName(t *testing.T) {
	for _, name := range append(Names(), "") {
		e, err := Open(name, options)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		want := name
		if name == "" {
			want = Names()[0]
		}
		if e.Name() != want {
			t.Errorf("Open(%q) opened %q", name, e.Name())
		}
		if err := e.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(Names(), "std") {
		t.Errorf("std is missing in %q", Names())
	}
}

func TestUnknown(t *testing.T) {
	_, err := Open("epol", options)
	if !errors.Is(err, ErrUnknown) {
		t.Fatalf("got %v", err)
	}
	for _, name := range append(Names(), `"epol"`) {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}
