package client

import (
	"fmt"
	"net"
	"time"

	"github.com/oortim/oort/proto/frame"
)

// readBuffer is what an idle link reads into, where bufio would take 4 KiB. It
// grows to the longest frame and shrinks again.
const readBuffer = 512

type tcpWire struct {
	conn    net.Conn
	timeout time.Duration
	max     int

	// Owned by the reader. buf[r:w] is what came and was not used.
	buf  []byte
	r, w int
}

func (t *tcpWire) next() (frame.Frame, error) {
	for {
		f, n, err := frame.Next(t.buf[t.r:t.w], t.max)
		if err != nil {
			return f, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if n > 0 {
			t.r += n
			return f, nil
		}
		if err := t.fill(); err != nil {
			return f, fmt.Errorf("%w: %w", ErrLost, err)
		}
	}
}

func (t *tcpWire) fill() error {
	t.makeRoom()
	n, err := t.conn.Read(t.buf[t.w:])
	t.w += n
	if n > 0 {
		return nil
	}
	return err
}

// makeRoom leaves free space behind w.
func (t *tcpWire) makeRoom() {
	rest := t.buf[t.r:t.w]
	switch {
	case len(rest) == 0 && len(t.buf) != readBuffer:
		t.buf = make([]byte, readBuffer)
	case len(rest) == len(t.buf):
		t.buf = make([]byte, 2*len(rest))
	case t.r == 0:
		return
	}
	t.r, t.w = 0, copy(t.buf, rest)
}

func (t *tcpWire) write(b []byte) error {
	if err := t.conn.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	if _, err := t.conn.Write(b); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return nil
}

func (t *tcpWire) close() { t.conn.Close() }
