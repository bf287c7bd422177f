package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/oortim/oort/proto/frame"
)

// wsWire carries one frame a message, by coder/websocket: an implementation
// that is not the server's own, so that each checks the other.
type wsWire struct {
	conn    *websocket.Conn
	timeout time.Duration
	max     int

	// Owned by the reader.
	buf   []byte // the message at hand
	batch []byte // what is left of an op 9 in it
}

func dialWS(ctx context.Context, o *Options, target string) (wire, error) {
	// A transport a link: after the upgrade only its small buffers stay, and
	// not the 8 KiB of the default transport.
	t := &http.Transport{
		DialContext: o.Dial, DisableKeepAlives: true,
		ReadBufferSize: readBuffer, WriteBufferSize: readBuffer,
	}
	conn, resp, err := websocket.Dial(ctx, target, &websocket.DialOptions{HTTPClient: &http.Client{Transport: t}})
	if err != nil {
		return nil, fmt.Errorf("client: dial %q: %w", o.Addr, refusal(resp, err))
	}
	conn.SetReadLimit(int64(o.MaxFrame))
	return &wsWire{conn: conn, timeout: o.Timeout, max: o.MaxFrame}, nil
}

// refusal adds what the server said when it refused the upgrade.
func refusal(resp *http.Response, err error) error {
	if resp == nil || resp.Body == nil {
		return err
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if len(b) == 0 {
		return err
	}
	return fmt.Errorf("%w: %q", err, b)
}

func (w *wsWire) next() (frame.Frame, error) {
	for len(w.batch) == 0 {
		if err := w.message(); err != nil {
			return frame.Frame{}, err
		}
		f, err := frame.Exact(w.buf, w.max)
		if err != nil {
			return f, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if f.Op != frame.OpBatch {
			return f, nil
		}
		w.batch = f.Body
	}
	f, n, err := frame.Next(w.batch, len(w.batch))
	if err == nil && n == 0 {
		err = frame.ErrInner
	}
	if err != nil {
		return f, fmt.Errorf("%w: in a batch: %w", ErrProtocol, err)
	}
	w.batch = w.batch[n:]
	return f, nil
}

// message reads the next WebSocket message into buf.
func (w *wsWire) message() error {
	typ, r, err := w.conn.Reader(context.Background())
	if err != nil {
		return wsError(err)
	}
	if typ != websocket.MessageBinary {
		return fmt.Errorf("%w: a text message", ErrProtocol)
	}
	if cap(w.buf) > 16*readBuffer {
		w.buf = nil
	}
	w.buf = w.buf[:0]
	for {
		if len(w.buf) == cap(w.buf) {
			w.buf = append(make([]byte, 0, max(readBuffer, 2*cap(w.buf))), w.buf...)
		}
		n, err := r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return wsError(err)
		}
	}
}

// wsError turns a close code of the private range into the server's reason.
func wsError(err error) error {
	var ce websocket.CloseError
	if errors.As(err, &ce) && ce.Code >= 3000 && ce.Code < 4000 {
		return &DisconnectError{Code: Code(ce.Code), Reason: ce.Reason, Retry: Code(ce.Code).advice()}
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

func (w *wsWire) write(b []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.timeout)
	defer cancel()
	if err := w.conn.Write(ctx, websocket.MessageBinary, b); err != nil {
		return wsError(err)
	}
	return nil
}

// close does without the closing handshake: it would wait for the peer, and a
// server learns of the end by FIN as well.
func (w *wsWire) close() { w.conn.CloseNow() }
