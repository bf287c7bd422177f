package poller

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

func TestWithDefaults(t *testing.T) {
	handler := func(Loop) Handler { return nil }
	o, err := Options{NewHandler: handler}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if o.Loops != runtime.NumCPU() || o.MaxRest != 64<<10 || o.Queue != 65_536 || o.Backlog != 4096 || o.AcceptBatch != 64 {
		t.Errorf("defaults are not the documented ones: %+v", o)
	}
	o, err = Options{NewHandler: handler, Loops: 3, MaxRest: 1, Queue: 2, Backlog: 4, AcceptBatch: 5}.WithDefaults()
	if err != nil || o.Loops != 3 || o.MaxRest != 1 || o.Queue != 2 || o.Backlog != 4 || o.AcceptBatch != 5 {
		t.Errorf("values were changed: %+v, %v", o, err)
	}
	if _, err := (Options{}).WithDefaults(); !errors.Is(err, ErrNoHandler) {
		t.Errorf("without a handler: %v", err)
	}
	if _, err := (Options{NewHandler: handler, Queue: -7}).WithDefaults(); err == nil || !strings.Contains(err.Error(), "Queue is -7") {
		t.Errorf("a negative queue: %v", err)
	}
}
