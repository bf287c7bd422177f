package rpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is some gRPC service, here that of health checks: its argument says
// what to do.
type service struct {
	healthpb.UnimplementedHealthServer
	calls atomic.Int64
}

func (s *service) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	s.calls.Add(1)
	switch r.Service {
	case "panic":
		panic("boom")
	case "hold":
		<-ctx.Done()
	}
	return &healthpb.HealthCheckResponse{}, nil
}

func (s *service) Watch(*healthpb.HealthCheckRequest, healthpb.Health_WatchServer) error {
	panic("boom")
}

// serve starts a server of s on a free port and returns its address.
func serve(t *testing.T, s *service, c ServerConfig) (string, *grpc.Server) {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := NewServer(c)
	healthpb.RegisterHealthServer(g, s)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		Stop(ctx, g)
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return l.Addr().String(), g
}

func dial(t *testing.T, addrs ...string) healthpb.HealthClient {
	t.Helper()
	conn, err := Dial(addrs, DialConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return healthpb.NewHealthClient(conn)
}

func check(t *testing.T, c healthpb.HealthClient, what string) error {
	t.Helper()
	return checkWith(t, c, &healthpb.HealthCheckRequest{Service: what})
}

func checkWith(t *testing.T, c healthpb.HealthClient, message *healthpb.HealthCheckRequest) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := c.Check(ctx, message)
	return err
}

func TestPanicEndsOnlyItsCall(t *testing.T) {
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	addr, _ := serve(t, &service{}, ServerConfig{Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: reg})
	c := dial(t, addr)
	if err := check(t, c, "panic"); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "boom") {
		t.Errorf("unary: %v; want Internal without the panic's value", err)
	}
	w, err := c.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = w.Recv()
	}
	if status.Code(err) != codes.Internal {
		t.Errorf("stream: %v; want Internal", err)
	}
	if err := check(t, c, ""); err != nil {
		t.Errorf("the next call: %v", err)
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != 2 {
		t.Errorf("metrics %v, %v; want oort_rpc_panics_total 2", families, err)
	}
	if n := strings.Count(log.String(), "panic=boom"); n != 2 {
		t.Errorf("%d log lines of 2: %s", n, &log)
	}
}

func TestMessageLimit(t *testing.T) {
	addr, _ := serve(t, &service{}, ServerConfig{})
	c := dial(t, addr)
	if err := checkWith(t, c, large(MaxMessage-1024)); err != nil {
		t.Errorf("just below the limit: %v", err)
	}
	if err := checkWith(t, c, large(MaxMessage+1)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("above the limit: %v; want ResourceExhausted", err)
	}
}

// large is a message of at least so many bytes, in a field that nobody knows: a
// string would be looked at letter by letter, which takes the race detector
// seconds.
func large(bytes int) *healthpb.HealthCheckRequest {
	m := new(healthpb.HealthCheckRequest)
	m.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 1000, protowire.BytesType), make([]byte, bytes)))
	return m
}

func TestNoReflection(t *testing.T) {
	_, g := serve(t, &service{}, ServerConfig{})
	for name := range g.GetServiceInfo() {
		if name != healthpb.Health_ServiceDesc.ServiceName {
			t.Errorf("serves %s unasked", name)
		}
	}
}

func TestDialSpreadsCalls(t *testing.T) {
	one, two := &service{}, &service{}
	a, _ := serve(t, one, ServerConfig{})
	b, _ := serve(t, two, ServerConfig{})
	c := dial(t, a, b)
	for deadline := time.Now().Add(10 * time.Second); one.calls.Load() == 0 || two.calls.Load() == 0; {
		if err := check(t, c, ""); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("calls %d and %d; want some at both", one.calls.Load(), two.calls.Load())
		}
	}
}

// A server that comes back on its address is found again without being asked.
func TestDialReconnects(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c := dial(t, addr)
	if err := check(t, c, ""); status.Code(err) != codes.Unavailable {
		t.Fatalf("nobody listens: %v; want Unavailable", err)
	}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	g := NewServer(ServerConfig{Log: slog.New(slog.DiscardHandler)})
	healthpb.RegisterHealthServer(g, &service{})
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Errorf("after it came: %v", err)
	}
	g.Stop()
	<-done
}

func TestDialRefusesBadAddresses(t *testing.T) {
	for _, addrs := range [][]string{nil, {""}, {"host"}, {":3119"}, {"host:"}, {"127.0.0.1:1", "b"}, {"::1:3"}} {
		if conn, err := Dial(addrs, DialConfig{}); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v; want ErrAddress", addrs, err)
			conn.Close()
		}
	}
}

// Stop waits for calls under way, but not beyond its context.
func TestStopCutsWhatStays(t *testing.T) {
	s := &service{}
	addr, g := serve(t, s, ServerConfig{})
	c := dial(t, addr)
	held := make(chan error, 1)
	go func() { held <- check(t, c, "hold") }()
	for s.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	Stop(ctx, g)
	if err := <-held; status.Code(err) != codes.Unavailable {
		t.Errorf("the call that stayed: %v; want Unavailable", err)
	}
}
