// Package rpc offers a logic.Service to comets and jobs by gRPC. It translates
// and keeps streams in order; it decides nothing.
package rpc

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/logicpb"
)

// Options of a Server.
type Options struct {
	// InFlight is how many batches of one stream are served at once; a comet
	// that sends more waits. Zero means 16.
	InFlight int
	// Batch is the largest batch. Zero means 4,096 connects and disconnects.
	Batch int
	// Timeout bounds the work on one batch or call. Zero means 5 s.
	Timeout time.Duration
	// TrustsClients tells comets that authentication is open, so that those
	// which strangers can reach do not serve.
	TrustsClients bool
	// Log takes panics. Nil means slog.Default().
	Log *slog.Logger
}

// Server implements logicpb.LogicServer.
type Server struct {
	logicpb.UnimplementedLogicServer
	svc *logic.Service
	opt Options
}

// New returns a Server over svc.
func New(svc *logic.Service, opt Options) *Server {
	if opt.InFlight == 0 {
		opt.InFlight = 16
	}
	if opt.Batch == 0 {
		opt.Batch = 4096
	}
	if opt.Timeout == 0 {
		opt.Timeout = 5 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	return &Server{svc: svc, opt: opt}
}

// Register offers a Server on r, a *grpc.Server or an in-process channel.
func Register(r grpc.ServiceRegistrar, s *Server) { logicpb.RegisterLogicServer(r, s) }

// Renew implements logicpb.LogicServer.
func (s *Server) Renew(ctx context.Context, req *logicpb.RenewRequest) (*logicpb.RenewReply, error) {
	server, err := parseServer(req.Server)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	totals, lease, err := s.svc.Renew(ctx, logic.Comet{
		Server: server, GRPCAddr: req.GrpcAddr, TCPAddr: req.TcpAddr, WSAddr: req.WsAddr,
		Region: req.Region, Weight: req.Weight, Links: req.Links, MaxLinks: req.MaxLinks,
		Draining: req.Draining, Counter: req.Counter, Connects: req.Connects, Leased: req.Leased,
	}, req.Rooms)
	if err != nil {
		return nil, grpcError(err)
	}
	reply := &logicpb.RenewReply{Rooms: totals, LeaseMs: uint32(lease.Milliseconds()), TrustsClients: s.opt.TrustsClients}
	if digests, err := s.svc.Digests(ctx, server); err == nil { // if not, the lease is renewed all the same
		reply.Digests = digests[:]
	}
	return reply, nil
}

// Leave implements logicpb.LogicServer.
func (s *Server) Leave(ctx context.Context, req *logicpb.LeaveRequest) (*logicpb.LeaveReply, error) {
	server, err := parseServer(req.Server)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	if err := s.svc.Leave(ctx, server); err != nil {
		return nil, grpcError(err)
	}
	return &logicpb.LeaveReply{}, nil
}

// Receive implements logicpb.LogicServer.
func (s *Server) Receive(ctx context.Context, req *logicpb.ReceiveRequest) (*logicpb.ReceiveReply, error) {
	server, err := parseServer(req.Server)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	reply, err := s.svc.Receive(ctx, logic.Message{
		Server: server, Mid: req.Mid, Key: ident.Key(req.Key), Room: ident.Room(req.Room),
		Seq: req.Seq, Body: req.Body,
	})
	if err != nil {
		return nil, grpcError(err)
	}
	return &logicpb.ReceiveReply{Body: reply}, nil
}

// Comets implements logicpb.LogicServer.
func (s *Server) Comets(ctx context.Context, _ *logicpb.CometsRequest) (*logicpb.CometsReply, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	comets, err := s.svc.Comets(ctx)
	if err != nil {
		return nil, grpcError(err)
	}
	reply := &logicpb.CometsReply{Comets: make([]*logicpb.CometInfo, len(comets))}
	for i, c := range comets {
		reply.Comets[i] = &logicpb.CometInfo{Server: string(c.Server), GrpcAddr: c.GRPCAddr, Draining: c.Draining}
	}
	return reply, nil
}

// maxWhere is how many keys one question may name.
const maxWhere = 4096

// Where implements logicpb.LogicServer.
func (s *Server) Where(ctx context.Context, req *logicpb.WhereRequest) (*logicpb.WhereReply, error) {
	if n := len(req.Keys); n > maxWhere {
		return nil, status.Errorf(codes.InvalidArgument, "rpc: %d keys, limit %d", n, maxWhere)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	keys := make([]ident.Key, len(req.Keys))
	for i, key := range req.Keys {
		keys[i] = ident.Key(key)
	}
	servers, err := s.svc.Where(ctx, keys)
	if err != nil {
		return nil, grpcError(err)
	}
	reply := &logicpb.WhereReply{Servers: make([]string, len(servers))}
	for i, server := range servers {
		reply.Servers[i] = string(server)
	}
	return reply, nil
}

func parseServer(name string) (ident.Server, error) {
	server, err := ident.ParseServer(name)
	if err != nil {
		return "", status.Error(codes.InvalidArgument, err.Error())
	}
	return server, nil
}

// grpcError gives an error the code that tells a caller whether to try again.
func grpcError(err error) error {
	code := codes.Internal
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, logic.ErrMend):
		code = codes.InvalidArgument
	case errors.Is(err, logic.ErrUnavailable):
		code = codes.Unavailable
	}
	return status.Error(code, err.Error())
}
