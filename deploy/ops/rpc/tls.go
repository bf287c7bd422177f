package rpc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/oortim/oort/deploy/ops/certs"
)

// Protocols that a server's certs.Config names for gRPC.
func Protocols() []string { return []string{"h2"} }

// ServerTLS are the credentials of a server that shows what c holds. log is told
// why callers were refused: to them a handshake says little.
func ServerTLS(c *certs.Certs, log *slog.Logger) credentials.TransportCredentials {
	return &live{
		TransportCredentials: credentials.NewTLS(c.Server()), certs: c,
		told: &seldom{log: log, what: "a gRPC caller was refused"},
	}
}

// ClientTLS are the credentials of a client that shows and believes what c
// holds. log is told why servers were refused: a call that waits does not say.
func ClientTLS(c *certs.Certs, log *slog.Logger) credentials.TransportCredentials {
	return &live{
		TransportCredentials: credentials.NewTLS(c.Client()), certs: c,
		told: &seldom{log: log, what: "a gRPC server was refused"},
	}
}

// live are TLS credentials whose certificates are those of the moment.
type live struct {
	credentials.TransportCredentials // for what needs no certificate
	certs                            *certs.Certs
	told                             *seldom
}

// ClientHandshake implements credentials.TransportCredentials.
func (l *live) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	now := credentials.NewTLS(l.certs.Client())
	secure, info, err := now.ClientHandshake(ctx, authority, conn)
	l.told.tell(err, conn)
	return secure, info, err
}

// ServerHandshake implements credentials.TransportCredentials.
func (l *live) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secure, info, err := l.TransportCredentials.ServerHandshake(conn)
	l.told.tell(err, conn)
	return secure, info, err
}

// Clone implements credentials.TransportCredentials.
func (l *live) Clone() credentials.TransportCredentials {
	c := *l
	c.TransportCredentials = l.TransportCredentials.Clone()
	return &c
}

// seldom logs failures, one a second at most: whoever scans ports must not fill
// the log.
type seldom struct {
	log  *slog.Logger
	what string
	next atomic.Int64 // Unix nanoseconds
}

func (s *seldom) tell(err error, conn net.Conn) {
	if err == nil || errors.Is(err, io.EOF) { // a probe that only connects is no caller
		return
	}
	now, next := time.Now().UnixNano(), s.next.Load()
	if now >= next && s.next.CompareAndSwap(next, now+int64(time.Second)) {
		s.log.Warn(s.what, "peer", conn.RemoteAddr().String(), "err", err)
	}
}
