package client

import (
	"context"
	"fmt"

	"github.com/oortim/oort/proto/frame"
)

// wire is a connection that carries frames. One goroutine calls next; write
// and close may be called from any, write by one at a time.
type wire interface {
	// next waits for a frame, which is valid until the next call.
	next() (frame.Frame, error)
	// write sends b, which is one frame.
	write(b []byte) error
	// close ends the connection at once and with it a next that waits.
	close()
}

// dialWire connects. The handshake of the transport is bounded by ctx.
func dialWire(ctx context.Context, o *Options) (wire, error) {
	scheme, target, err := o.target()
	if err != nil {
		return nil, err
	}
	if scheme != "tcp" {
		return dialWS(ctx, o, target)
	}
	conn, err := o.Dial(ctx, "tcp", target)
	if err != nil {
		return nil, fmt.Errorf("client: dial %q: %w", o.Addr, err)
	}
	return &tcpWire{conn: conn, timeout: o.Timeout, max: o.MaxFrame}, nil
}
