package rpc

import (
	"context"
	"errors"
	"io"
	"runtime/debug"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/logicpb"
)

// Sessions implements logicpb.LogicServer. Several batches are served at the
// same time, for a slow one must not hold the next up, and answered in order:
// each has a channel for its answer, and the channels queue in order. The
// queue's length bounds what is in flight.
func (s *Server) Sessions(stream logicpb.Logic_SessionsServer) error {
	answers := make(chan chan *logicpb.SessionResults, s.opt.InFlight)
	sent := make(chan error, 1)
	go func() { sent <- send(stream, answers) }()
	err := s.receive(stream, answers)
	close(answers)
	return errors.Join(err, <-sent)
}

// send passes the answers on, in the order of the requests. After a failure it
// still takes every answer, so that nobody waits for it.
func send(stream logicpb.Logic_SessionsServer, answers <-chan chan *logicpb.SessionResults) (err error) {
	for answer := range answers {
		results := <-answer
		if err == nil {
			err = stream.Send(results)
		}
	}
	return err
}

// receive starts the work on each batch, until the comet ends the stream.
func (s *Server) receive(stream logicpb.Logic_SessionsServer, answers chan<- chan *logicpb.SessionResults) error {
	for {
		batch, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		server, err := s.checkBatch(batch)
		if err != nil {
			return err
		}
		answer := make(chan *logicpb.SessionResults, 1)
		answers <- answer
		go func() { answer <- s.serve(stream.Context(), server, batch) }()
	}
}

func (s *Server) checkBatch(batch *logicpb.SessionBatch) (ident.Server, error) {
	if n := len(batch.Connects) + len(batch.Disconnects); n > s.opt.Batch {
		return "", status.Errorf(codes.InvalidArgument, "rpc: batch of %d, limit %d", n, s.opt.Batch)
	}
	return parseServer(batch.Server)
}

// serve does the work of one batch: first its connects, then its disconnects.
// The end of the stream does not stop it: half a batch helps nobody.
func (s *Server) serve(ctx context.Context, server ident.Server, batch *logicpb.SessionBatch) *logicpb.SessionResults {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opt.Timeout)
	defer cancel()
	results := &logicpb.SessionResults{Disconnected: uint32(len(batch.Disconnects))}
	for _, r := range s.connect(ctx, server, connects(batch.Connects)) {
		results.Connected = append(results.Connected, connected(r))
	}
	if len(batch.Disconnects) > 0 {
		s.svc.Disconnect(ctx, server, disconnects(batch.Disconnects))
	}
	return results
}

// connect lets links in. What strangers sent is looked at in there, so a panic
// is kept to the batch: its links are told to try again.
func (s *Server) connect(ctx context.Context, server ident.Server, reqs []logic.ConnectRequest) (results []logic.ConnectResult) {
	if len(reqs) == 0 {
		return nil
	}
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		s.opt.Log.Error("rpc: panic in connect", "panic", p, "stack", string(debug.Stack()))
		results = make([]logic.ConnectResult, len(reqs))
		for i := range reqs {
			results[i] = logic.ConnectResult{Link: reqs[i].Link, Status: logic.StatusUnavailable, Message: "a defect of the server"}
		}
	}()
	return s.svc.Connect(ctx, server, reqs)
}

func connects(in []*logicpb.Connect) []logic.ConnectRequest {
	reqs := make([]logic.ConnectRequest, len(in))
	for i, c := range in {
		reqs[i] = logic.ConnectRequest{
			Link: c.Link, Seen: c.SeenEpoch,
			Credentials: logic.Credentials{Body: c.Body, RemoteIP: c.RemoteIp, Origin: c.Origin},
		}
	}
	return reqs
}

func disconnects(in []*logicpb.Disconnect) []logic.Session {
	sessions := make([]logic.Session, len(in))
	for i, d := range in {
		sessions[i] = logic.Session{Link: d.Link, Key: ident.Key(d.Key), Mid: d.Mid, Epoch: d.Epoch}
	}
	return sessions
}

func connected(r logic.ConnectResult) *logicpb.Connected {
	c := &logicpb.Connected{
		Link: r.Link, Status: statusOf(r.Status), Message: r.Message,
		Mid: r.Mid, Key: string(r.Key), Room: string(r.Room),
		Accepts: r.Accepts, AcceptsAll: r.AcceptsAll, Epoch: r.Epoch,
		HeartbeatMs: uint32(r.Heartbeat.Milliseconds()), RetryMs: r.RetryMS, Platform: r.Platform,
		RoomsLimited: r.Rooms != nil,
	}
	for _, pattern := range r.Rooms {
		c.RoomPatterns = append(c.RoomPatterns, string(pattern))
	}
	return c
}

func statusOf(s logic.Status) logicpb.Status {
	switch s {
	case logic.StatusOK:
		return logicpb.Status_STATUS_OK
	case logic.StatusDenied:
		return logicpb.Status_STATUS_DENIED
	case logic.StatusInvalid:
		return logicpb.Status_STATUS_INVALID
	default:
		return logicpb.Status_STATUS_UNAVAILABLE
	}
}
