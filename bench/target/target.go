// Package target finds the server that a scenario measures: one that runs, or
// an `oort serve` of the same binary that is started for the run.
package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/client/push"
)

// Flags say which server. Without API and Addr one is started.
type Flags struct {
	API        string   `name:"api" placeholder:"URL" help:"HTTP API of a running server. Default: start oort serve, anew for each round."`
	Addr       []string `placeholder:"URL" help:"Where its comets listen, tcp://… and ws://…; links take turns."`
	Admin      string   `placeholder:"URL" help:"Its admin address, http://…, for its own counters. Optional."`
	APIKeyFile string   `name:"api-key-file" type:"existingfile" help:"File that holds the bearer key of its API."`
	Transport  string   `enum:"both,tcp,ws" default:"both" help:"What links use with a server that is started: tcp, ws, or both in turn."`
	Serve      []string `arg:"" optional:"" help:"After --: flags for the oort serve that is started."`
}

// Validate refuses half an address.
func (f *Flags) Validate() error {
	if (f.API == "") != (len(f.Addr) == 0) {
		return errors.New("--api and --addr belong together: both for a running server, none to start one")
	}
	if f.API != "" && len(f.Serve) > 0 {
		return fmt.Errorf("%q are flags of a server that is started, but --api names one that runs", f.Serve)
	}
	return nil
}

// Target is the server under test.
type Target struct {
	API   push.Client
	Addrs []string // for client.Options.Addr; links take turns
	Admin string   // base URL; empty: not known

	child *child // nil: the server runs without us
}

// Running says whether the server is one that runs already.
func (f *Flags) Running() bool { return f.API != "" }

// Open finds the server, or starts one with flags and those of f.Serve, which
// win. Close must follow.
func (f *Flags) Open(ctx context.Context, flags ...string) (*Target, error) {
	if !f.Running() {
		return f.start(ctx, append(flags, f.Serve...))
	}
	t := &Target{API: push.Client{API: f.API, HTTP: httpClient()}, Addrs: f.Addr, Admin: f.Admin}
	if f.APIKeyFile == "" {
		return t, nil
	}
	var err error
	t.API.Key, err = push.ReadKey(f.APIKeyFile)
	return t, err
}

func (f *Flags) start(ctx context.Context, flags []string) (*Target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("bench: own binary: %w", err)
	}
	c, err := startChild(ctx, self, flags)
	if err != nil {
		return nil, err
	}
	t := &Target{API: push.Client{API: "http://" + c.ready["http"], HTTP: httpClient()}, child: c}
	if f.Transport != "ws" {
		t.Addrs = append(t.Addrs, "tcp://"+c.ready["tcp"])
	}
	if f.Transport != "tcp" {
		t.Addrs = append(t.Addrs, "ws://"+c.ready["ws"]+"/sub")
	}
	if c.ready["admin"] != "" {
		t.Admin = "http://" + c.ready["admin"]
	}
	return t, nil
}

// httpClient keeps a connection for each pusher.
func httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
}

// Close ends the server if it was started, and says what it said if it did not
// end well.
func (t *Target) Close() error {
	t.API.HTTP.CloseIdleConnections()
	if t.child == nil {
		return nil
	}
	return t.child.stop()
}

// CPU is the processor time that the server has used; false if it is not ours
// to ask, or the system does not say.
func (t *Target) CPU() (time.Duration, bool) {
	if t.child == nil {
		return 0, false
	}
	used, err := measure.OpenProcess(t.child.cmd.Process.Pid).CPU()
	return used, err == nil
}

// Counter is the sum of the server's metric of that name, over its labels;
// false if the server does not say.
func (t *Target) Counter(ctx context.Context, name string) (float64, bool) {
	if t.Admin == "" {
		return 0, false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(t.Admin, "/")+"/metrics", nil)
	if err != nil {
		return 0, false
	}
	resp, err := t.API.HTTP.Do(req)
	if err != nil {
		return 0, false
	}
	defer resp.Body.Close()
	return sum(resp.Body, name)
}

// sum adds the samples of a metric in the Prometheus text format.
func sum(r io.Reader, name string) (total float64, found bool) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || (rest[0] != ' ' && rest[0] != '{') {
			continue
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err == nil {
			total, found = total+v, true
		}
	}
	return total, found
}
