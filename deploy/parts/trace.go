package parts

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/ops/tracing"
	"github.com/oortim/oort/deploy/ops/watch"
)

// TraceFlags say where spans go.
type TraceFlags struct {
	TraceURL     string `name:"trace-url" placeholder:"URL" help:"Where spans of pushes are sent, by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; empty: nowhere."`
	TraceHeaders string `placeholder:"FILE" type:"existingfile" help:"Headers for it, a line each: Name: value. A changed file counts at once. Beyond loopback the URL must be https then."`
	TraceCA      string `name:"trace-ca" placeholder:"FILE" help:"Authority (PEM) of its certificate. Default: the system's."`
}

// SampleFlags are those of a process where traces begin.
type SampleFlags struct {
	TraceSample float64 `default:"0.001" help:"Share of the requests that push, from 0 to 1, whose way is traced. A request that bears a sampled traceparent is traced in any case, one that bears another never."`
}

// lastSpans is how long the end of a process waits for its last spans.
const lastSpans = 2 * time.Second

// openTracing opens the way of the spans of service; instance is this process
// among its like. Nothing happens without a URL: base.tracer stays nil.
func (b *base) openTracing(f *TraceFlags, sample float64, service, instance string) error {
	if f.TraceURL == "" {
		return nil
	}
	cfg := tracing.Config{
		URL: f.TraceURL, Sample: sample, Service: service, Instance: instance, Version: ops.ReadBuild().Version,
		Log: b.log, Metrics: b.admin.Registry(),
	}
	transport, err := f.transport(b.telling())
	if err != nil {
		return err
	}
	cfg.Transport = transport
	if f.TraceHeaders != "" {
		if cfg.Headers, err = f.headers(b.telling()); err != nil {
			return err
		}
	}
	t, err := tracing.Open(cfg)
	if err != nil {
		return ops.Usagef("--trace-url, --trace-sample: %w", err)
	}
	b.tracer = t.Tracer()
	b.opened.add("tracing", func(ctx context.Context) error {
		defer transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(ctx, lastSpans)
		defer cancel()
		return t.Close(ctx)
	})
	return nil
}

// transport reaches the collector.
func (f *TraceFlags) transport(to telling) (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	secure, err := tlsFlags{ca: f.TraceCA}.open("trace", to)
	if secure != nil {
		t.DialTLSContext = secure.DialContext
	}
	return t, err
}

// headers are what the file says now.
func (f *TraceFlags) headers(to telling) (func() http.Header, error) {
	if at, err := url.Parse(f.TraceURL); err == nil && at.Scheme != "https" && !loopback(at.Host) && at.Hostname() != "localhost" {
		return nil, ops.Usagef("--trace-headers would cross the network in the clear; use https in --trace-url")
	}
	read := func() (http.Header, error) { return readHeaders(f.TraceHeaders) }
	w, err := watch.Open(to.log, read, f.TraceHeaders)
	if err != nil {
		return nil, ops.Usagef("--trace-headers: %w", err)
	}
	return w.Load, nil
}

// readHeaders reads lines "Name: value". An error does not tell what stands in
// them.
func readHeaders(file string) (http.Header, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := io.MultiReader(bytes.NewReader(bytes.TrimSpace(text)), strings.NewReader("\r\n\r\n"))
	headers, err := textproto.NewReader(bufio.NewReader(lines)).ReadMIMEHeader()
	if err != nil || len(headers) == 0 {
		return nil, fmt.Errorf("%s: not lines of the form Name: value", file)
	}
	return http.Header(headers), nil
}
