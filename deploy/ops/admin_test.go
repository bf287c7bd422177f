package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// openAdmin serves on a free port of loopback for the time of the test.
func openAdmin(t *testing.T) (*Admin, *slog.LevelVar) {
	t.Helper()
	level := new(slog.LevelVar)
	a, err := OpenAdmin(AdminFlags{Admin: "127.0.0.1:0"}, slog.New(slog.DiscardHandler), level)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a, level
}

func ask(t *testing.T, method, url, host, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestAdminServes(t *testing.T) {
	a, _ := openAdmin(t)
	for path, want := range map[string]string{
		"/metrics":             "oort_build_info{",
		"/healthz":             `"ready":true`,
		"/readyz":              `"ready":true`,
		"/debug/pprof/":        "goroutine",
		"/debug/pprof/cmdline": "ops.test",
		"/debug/loglevel":      "INFO\n",
	} {
		status, body := ask(t, "GET", "http://"+a.Addr().String()+path, "", "")
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200q; want %q", path, status, body, want)
		}
	}
	if _, body := ask(t, "GET", "http://"+a.Addr().String()+"/debug/pprof/cmdline", "", ""); strings.Contains(body, "-test.") {
		t.Errorf("cmdline shows arguments, which may hold a password: %q", body)
	}
	_, metrics := ask(t, "GET", "http://"+a.Addr().String()+"/metrics", "", "")
	for _, want := range []string{"process_open_fds", "go_goroutines"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
}

func TestAdminRefusesOthersAddresses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		_, err := OpenAdmin(AdminFlags{Admin: addr}, log, nil)
		if !errors.Is(err, ErrNotLoopback) || exitCode(err) != 2 {
			t.Errorf("%q: %v; want ErrNotLoopback as a usage error", addr, err)
		}
	}
	a, err := OpenAdmin(AdminFlags{Admin: "0.0.0.0:0", AdminPublic: true}, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAdminAddressInUse(t *testing.T) {
	a, _ := openAdmin(t)
	_, err := OpenAdmin(AdminFlags{Admin: a.Addr().String()}, slog.New(slog.DiscardHandler), nil)
	if err == nil || !strings.Contains(err.Error(), a.Addr().String()) {
		t.Errorf("second listener: %v; want an error with the address", err)
	}
}

func TestAdminWithoutAddress(t *testing.T) {
	a, err := OpenAdmin(AdminFlags{}, slog.New(slog.DiscardHandler), nil)
	if err != nil || a.Addr() != nil || a.Registry() == nil {
		t.Errorf("%v, %v", a.Addr(), err)
	}
	if err := a.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAdminRefusesForeignHost(t *testing.T) {
	a, _ := openAdmin(t)
	url := "http://" + a.Addr().String() + "/metrics"
	for host, want := range map[string]int{
		"localhost:3110": 200, "127.0.0.1": 200, "[::1]:3110": 200, "127.0.0.2:1": 200,
		"evil.example": 403, "127.0.0.1.evil.example:3110": 403, "10.0.0.1": 403, "localhost.evil": 403,
	} {
		if got, _ := ask(t, "GET", url, host, ""); got != want {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
	}
}

func TestLogLevel(t *testing.T) {
	a, level := openAdmin(t)
	url := "http://" + a.Addr().String() + "/debug/loglevel"
	if status, body := ask(t, "PUT", url, "", "debug"); status != 200 || level.Level() != slog.LevelDebug {
		t.Errorf("%d %q, level %v", status, body, level.Level())
	}
	for _, wrong := range []string{"loud", strings.Repeat("x", 100), ""} {
		if status, _ := ask(t, "PUT", url, "", wrong); status != http.StatusBadRequest {
			t.Errorf("%q: %d, want 400", wrong, status)
		}
	}
	if level.Level() != slog.LevelDebug {
		t.Errorf("a wrong level changed it to %v", level.Level())
	}
}

func health(t *testing.T, a *Admin, path string) (int, Health) {
	t.Helper()
	status, body := ask(t, "GET", "http://"+a.Addr().String()+path, "", "")
	var h Health
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	return status, h
}

func TestReadiness(t *testing.T) {
	a, _ := openAdmin(t)
	failure := errors.New("connection refused")
	a.Check("redis", func(context.Context) error { return failure })
	a.Check("kafka", func(context.Context) error { return nil })

	status, h := health(t, a, "/readyz")
	if status != http.StatusServiceUnavailable || h.Ready {
		t.Errorf("a failing check: %d, %+v", status, h)
	}
	want := []CheckResult{{Name: "redis", Error: "connection refused"}, {Name: "kafka", OK: true}}
	if len(h.Checks) != 2 || h.Checks[0] != want[0] || h.Checks[1] != want[1] {
		t.Errorf("checks %+v, want %+v", h.Checks, want)
	}
	if status, h := health(t, a, "/healthz"); status != 200 || h.Ready || len(h.Checks) != 2 {
		t.Errorf("/healthz must stay 200 and tell all the same: %d %+v", status, h)
	}
	failure = nil
	if status, h := health(t, a, "/readyz"); status != 200 || !h.Ready {
		t.Errorf("after relief: %d, %+v", status, h)
	}
	a.Drain("draining")
	if status, h := health(t, a, "/readyz"); status != http.StatusServiceUnavailable || h.Draining != "draining" {
		t.Errorf("draining: %d, %+v", status, h)
	}
}

// A check that ignores its context must neither hold the answer nor be started
// once more by each probe.
func TestHangingCheck(t *testing.T) {
	a, _ := openAdmin(t)
	release, started := make(chan struct{}), make(chan struct{}, 16)
	a.Check("stuck", func(context.Context) error {
		started <- struct{}{}
		<-release
		return nil
	})
	for range 2 {
		before := time.Now()
		status, h := health(t, a, "/readyz")
		if status != http.StatusServiceUnavailable || !strings.Contains(h.Checks[0].Error, "no answer") {
			t.Errorf("%d, %+v", status, h)
		}
		if took := time.Since(before); took > 5*checkTimeout {
			t.Errorf("took %v", took)
		}
	}
	if n := len(started); n != 1 {
		t.Errorf("started %d times, want once", n)
	}
	close(release)
}

func TestHealthCommand(t *testing.T) {
	a, _ := openAdmin(t)
	var out bytes.Buffer
	cmd := HealthCmd{Admin: a.Addr().String()}
	if err := cmd.Run(t.Context(), &out); err != nil || !strings.HasPrefix(out.String(), "ready=true") {
		t.Errorf("%v, %q", err, &out)
	}
	a.Check("redis", func(context.Context) error { return errors.New("gone") })
	if err := cmd.Run(t.Context(), &out); err == nil || err.Error() != "not ready: redis: gone" {
		t.Errorf("not ready: %v", err)
	}
	cmd.Live, cmd.JSON = true, true
	out.Reset()
	if err := cmd.Run(t.Context(), &out); err != nil || !strings.Contains(out.String(), `"error":"gone"`) {
		t.Errorf("live: %v, %q", err, &out)
	}
	cmd.Admin = "127.0.0.1:1"
	if err := cmd.Run(t.Context(), &out); err == nil {
		t.Error("no error where nobody listens")
	}
}
