// Package rpc connects a comet to its neighbours over gRPC: Logic is the
// comet's way to logic, Server the jobs' way to the comet. Both work on
// interfaces of grpc-go, so that an in-process channel can stand for a
// connection.
package rpc

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/logicpb"
)

// Advert is what a comet tells the world of itself. Immutable.
type Advert struct {
	Server ident.Server
	GRPC   string // where jobs reach it, host:port
	TCP    string // where clients reach it; "" means where it listens
	WS     string // where browsers reach it; "" means where it listens
	Region string
	Weight uint32 // share of new links relative to other comets; 0 means 1
}

// Logic implements comet.Logic. Sessions waits for a connection as long as its
// context allows, so that for a client a restart of logic is a pause; the other
// calls fail at once and are tried again by whoever made them.
type Logic struct {
	client   logicpb.LogicClient
	advert   Advert
	sessions *sessions
}

// NewLogic returns the comet's way to logic over cc, which stays the caller's.
// Close it before cc.
func NewLogic(cc grpc.ClientConnInterface, advert Advert) *Logic {
	client := logicpb.NewLogicClient(cc)
	if advert.Weight == 0 {
		advert.Weight = 1
	}
	return &Logic{client: client, advert: advert, sessions: newSessions(client, string(advert.Server))}
}

// Close ends the stream of sessions.
func (l *Logic) Close() { l.sessions.close() }

// Sessions is of comet.Logic. A batch whose stream breaks is sent again while
// ctx allows: connects and disconnects are idempotent.
func (l *Logic) Sessions(ctx context.Context, connects []comet.Connect, gone []comet.Disconnect) ([]comet.Connected, error) {
	reply, err := l.sessions.exchange(ctx, l.batch(connects, gone))
	if err != nil {
		return nil, err
	}
	if len(reply.Connected) != len(connects) {
		return nil, fmt.Errorf("comet/rpc: %d answers to %d connects", len(reply.Connected), len(connects))
	}
	out := make([]comet.Connected, len(connects))
	for i, c := range reply.Connected {
		if c.Link != connects[i].Link {
			return nil, fmt.Errorf("comet/rpc: answer %d is for link %d, not %d", i, c.Link, connects[i].Link)
		}
		out[i] = connected(c)
	}
	return out, nil
}

func (l *Logic) batch(connects []comet.Connect, gone []comet.Disconnect) *logicpb.SessionBatch {
	b := &logicpb.SessionBatch{
		Server:   string(l.advert.Server),
		Connects: make([]*logicpb.Connect, len(connects)), Disconnects: make([]*logicpb.Disconnect, len(gone)),
	}
	logins, goodbyes := make([]logicpb.Connect, len(connects)), make([]logicpb.Disconnect, len(gone)) // two objects instead of one each
	for i := range connects {
		c, to := &connects[i], &logins[i]
		to.Link, to.Body, to.RemoteIp, to.Origin, to.SeenEpoch = c.Link, c.Body, c.RemoteIP, c.Origin, c.SeenEpoch
		b.Connects[i] = to
	}
	for i := range gone {
		d, to := &gone[i], &goodbyes[i]
		to.Link, to.Key, to.Mid, to.Epoch = d.Link, string(d.Key), d.Mid, d.Epoch
		b.Disconnects[i] = to
	}
	return b
}

var statuses = map[logicpb.Status]comet.Status{
	logicpb.Status_STATUS_OK:          comet.StatusOK,
	logicpb.Status_STATUS_DENIED:      comet.StatusDenied,
	logicpb.Status_STATUS_INVALID:     comet.StatusInvalid,
	logicpb.Status_STATUS_UNAVAILABLE: comet.StatusUnavailable,
}

func connected(c *logicpb.Connected) comet.Connected {
	status, known := statuses[c.Status]
	rooms, permitted := permission(c)
	if !known || status == comet.StatusOK && !(permitted && named(c)) {
		status = comet.StatusUnavailable
	}
	out := comet.Connected{
		Status: status, Message: c.Message, Mid: c.Mid, Key: ident.Key(c.Key), Room: ident.Room(c.Room),
		AcceptsAll: c.AcceptsAll, Epoch: c.Epoch,
		Heartbeat: time.Duration(c.HeartbeatMs) * time.Millisecond,
		Retry:     time.Duration(c.RetryMs) * time.Millisecond,
		Platform:  c.Platform, Rooms: rooms,
	}
	for _, op := range c.Accepts {
		out.Accepts = append(out.Accepts, uint32(op))
	}
	return out
}

// named reports whether an answer names key and room as their grammars have
// it: they become parts of frames and of other names.
func named(c *logicpb.Connected) bool {
	if _, err := ident.ParseKey(c.Key); err != nil {
		return false
	}
	_, err := ident.ParseRoom(c.Room)
	return err == nil || c.Room == ""
}

// permission is which rooms a link may join; ok is false if a pattern is none,
// or the room is not among them.
func permission(c *logicpb.Connected) (rooms ident.Permission, ok bool) {
	if !c.RoomsLimited {
		return nil, true
	}
	rooms = make(ident.Permission, len(c.RoomPatterns)) // not nil: none is not any
	for i, text := range c.RoomPatterns {
		pattern, err := ident.ParseRoomPattern(text)
		if err != nil {
			return nil, false
		}
		rooms[i] = pattern
	}
	return rooms, rooms.Allows(ident.Room(c.Room))
}

// Renew is of comet.Logic.
func (l *Logic) Renew(ctx context.Context, r comet.Report) (comet.Renewal, error) {
	reply, err := l.client.Renew(ctx, &logicpb.RenewRequest{
		Server: string(l.advert.Server), GrpcAddr: l.advert.GRPC,
		TcpAddr: cmp.Or(l.advert.TCP, r.TCPAddr), WsAddr: cmp.Or(l.advert.WS, r.WSAddr), Region: l.advert.Region, Weight: l.advert.Weight,
		Links: r.Links, MaxLinks: r.MaxLinks, Draining: r.Draining, Counter: r.Counter, Rooms: r.Rooms,
		Connects: r.Connects, Leased: r.Leased,
	})
	if err != nil {
		return comet.Renewal{}, err
	}
	return comet.Renewal{
		Rooms: reply.Rooms, Lease: time.Duration(reply.LeaseMs) * time.Millisecond, TrustsClients: reply.TrustsClients,
		Digests: digests(reply.Digests),
	}, nil
}

// Leave is of comet.Logic.
func (l *Logic) Leave(ctx context.Context) error {
	_, err := l.client.Leave(ctx, &logicpb.LeaveRequest{Server: string(l.advert.Server)})
	return err
}

// Receive is of comet.Logic.
func (l *Logic) Receive(ctx context.Context, m comet.Message) ([]byte, error) {
	reply, err := l.client.Receive(ctx, &logicpb.ReceiveRequest{
		Server: string(l.advert.Server), Mid: m.Mid, Key: string(m.Key), Room: string(m.Room), Seq: m.Seq, Body: m.Body,
	})
	return reply.GetBody(), err
}
