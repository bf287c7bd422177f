// Package rpc holds what every gRPC server and client of oort sets: limits of
// messages and keepalive, panics contained, backoff, and the credentials.
// There is no reflection: a gateway's port tells strangers nothing.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

// MaxMessage bounds a message in each direction. The largest is a renewal with
// the counts of all rooms of a comet: a million rooms, the comet's limit by
// default, are 25 MB of usual names. Callers are the cluster's own parts, and
// memory is taken only for what has come.
const MaxMessage = 64 << 20

// Keepalive: a client that hears nothing for pingAfter asks, and gives up
// pingTimeout later. A server refuses clients that ask oftener than pingLeast.
const (
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second
	pingLeast   = 10 * time.Second
)

// ServerConfig of a gRPC server.
type ServerConfig struct {
	// Credentials of the server. Nil means plaintext.
	Credentials credentials.TransportCredentials
	// Log is told of panics. Required.
	Log *slog.Logger
	// Metrics is where oort_rpc_panics_total is registered. Nil means nowhere.
	Metrics prometheus.Registerer
}

// NewServer makes a server with oort's limits. A panic in a handler ends that
// call with codes.Internal, is logged with its stack and counted.
func NewServer(c ServerConfig) *grpc.Server {
	g := &guard{log: c.Log, panics: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "oort_rpc_panics_total", Help: "Panics in gRPC handlers; each ended its call and nothing else.",
	})}
	if c.Metrics != nil {
		c.Metrics.MustRegister(g.panics)
	}
	return grpc.NewServer(
		grpc.Creds(orPlaintext(c.Credentials)),
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.MaxHeaderListSize(16<<10),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.MaxConcurrentStreams(10_000),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingLeast, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.ChainUnaryInterceptor(g.unary),
		grpc.ChainStreamInterceptor(g.stream),
	)
}

// Stop ends s: calls under way may finish until ctx is over, then they are cut.
func Stop(ctx context.Context, s *grpc.Server) {
	cut := context.AfterFunc(ctx, s.Stop)
	defer cut()
	s.GracefulStop()
}

func orPlaintext(c credentials.TransportCredentials) credentials.TransportCredentials {
	if c == nil {
		return insecure.NewCredentials()
	}
	return c
}

// guard contains panics.
type guard struct {
	log    *slog.Logger
	panics prometheus.Counter
}

func (g *guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
	defer g.contain(info.FullMethod, &err)
	return next(ctx, req)
}

func (g *guard) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer g.contain(info.FullMethod, &err)
	return next(srv, s)
}

func (g *guard) contain(method string, err *error) {
	if v := recover(); v != nil {
		g.panics.Inc()
		g.log.Error("panic in a gRPC handler", "method", method, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, "internal error")
	}
}

// DialConfig of a client.
type DialConfig struct {
	// Credentials of the client. Nil means plaintext.
	Credentials credentials.TransportCredentials
}

// ErrAddress: a target is no "host:port", or there is none.
var ErrAddress = errors.New("rpc: bad address")

// Dial makes a client of the servers at addrs, each "host:port". Calls go to
// those that are connected, in turn. Dial does not wait for any: calls fail
// with codes.Unavailable while none answers, and the connections are tried
// again with backoff, 0.1 to 3 s, for ever.
func Dial(addrs []string, c DialConfig) (*grpc.ClientConn, error) {
	state := resolver.State{}
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(strings.TrimSpace(addr))
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("%w: %q is not host:port", ErrAddress, addr)
		}
		state.Addresses = append(state.Addresses, resolver.Address{Addr: net.JoinHostPort(host, port), ServerName: host})
	}
	if len(state.Addresses) == 0 {
		return nil, fmt.Errorf("%w: none given", ErrAddress)
	}
	// A resolver of our own, because the addresses are a list and a proxy from
	// the environment must not come between a comet and logic.
	list := manual.NewBuilderWithScheme("oort")
	list.InitialState(state)
	return grpc.NewClient("oort:///"+state.Addresses[0].ServerName,
		grpc.WithResolvers(list),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithTransportCredentials(orPlaintext(c.Credentials)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
	)
}
