package parts

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/ops/tracing"
)

// TestTraceFlags: what is wrong is told in one line that holds no secret, and
// without a URL nothing is opened.
func TestTraceFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const good = "Authorization: Bearer secret\nX-Scope: a\n"
	for _, row := range []struct {
		name    string
		flags   TraceFlags
		headers string
		sample  float64
		want    string // of the error; "" for none
		open    bool
	}{
		{"nothing", TraceFlags{TraceHeaders: file, TraceCA: file}, good, 9, "", false},
		{"loopback", TraceFlags{TraceURL: "http://127.0.0.1:4318", TraceHeaders: file}, good, 1, "", true},
		{"https", TraceFlags{TraceURL: "https://otel.example.com", TraceHeaders: file}, good, 0, "", true},
		{"beyond, without headers", TraceFlags{TraceURL: "http://10.0.0.1:4318"}, "", 0, "", true},
		{"beyond in the clear", TraceFlags{TraceURL: "http://10.0.0.1:4318", TraceHeaders: file}, good, 0, "--trace-headers would cross", false},
		{"no headers", TraceFlags{TraceURL: "https://otel.example.com", TraceHeaders: file}, " \n", 0, "not lines of the form", false},
		{"broken headers", TraceFlags{TraceURL: "https://otel.example.com", TraceHeaders: file}, "Bearer secret", 0, "not lines of the form", false},
		{"no URL", TraceFlags{TraceURL: "collector:secret"}, "", 0, tracing.ErrURL.Error(), false},
		{"share", TraceFlags{TraceURL: "http://127.0.0.1:1"}, "", 2, tracing.ErrSample.Error(), false},
		{"no CA", TraceFlags{TraceURL: "https://otel.example.com", TraceCA: file + "x"}, "", 0, "--trace-ca", false},
	} {
		write(row.headers)
		level := new(slog.LevelVar)
		b, err := openBase(ops.AdminFlags{}, slog.New(slog.DiscardHandler), level, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = b.openTracing(&row.flags, row.sample, "oort-test", "a")
		switch {
		case row.want == "" && err != nil, row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		case err != nil && (strings.Contains(err.Error(), "secret") || !errors.As(err, new(*ops.UsageError))):
			t.Errorf("%s: %v", row.name, err)
		}
		if (b.tracer != nil) != row.open {
			t.Errorf("%s: opened %v", row.name, b.tracer != nil)
		}
		b.opened.close()
	}
}

func TestReadHeaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("\nauthorization: Bearer a:b \nX-Two: 1\nX-Two: 2"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readHeaders(file)
	if err != nil || got.Get("Authorization") != "Bearer a:b" || len(got["X-Two"]) != 2 || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}
