package directed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/stamp"
)

// pusher pushes to its links in turn, each push when the last has been answered.
//
// It shares the machine with what is measured, so it speaks HTTP by hand: an
// http.Client takes half as much CPU for a push as logic does.
type pusher struct {
	conn     net.Conn
	in       *bufio.Reader
	message  []byte // the push under way: its body,
	body     []byte // the request's body,
	out      []byte // and the request
	host     string
	run      uint32
	clock    stamp.Clock
	keys     []key
	size     int
	answered *measure.Latency

	stored int64
}

// key is one link, as its pusher sees it.
type key struct {
	name string
	seq  uint32 // of its last message
}

// errAnswer: logic has not stored a push for a key that is there.
var errAnswer = errors.New("bench: a push was not stored")

// open connects to an API, http://host:port.
func (p *pusher) open(api string) error {
	p.host = strings.TrimPrefix(api, "http://")
	conn, err := net.Dial("tcp", p.host)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	p.conn, p.in = conn, bufio.NewReader(conn)
	return nil
}

// push pushes until end, or ctx is over.
func (p *pusher) push(ctx context.Context, end time.Time) error {
	for i := 0; ctx.Err() == nil; i++ {
		began := time.Now()
		if !began.Before(end) {
			return nil
		}
		k := &p.keys[i%len(p.keys)]
		k.seq++
		if err := p.one(k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		p.answered.Record(time.Since(began))
		p.stored++
	}
	return ctx.Err()
}

func (p *pusher) one(k *key) error {
	p.message = stamp.Append(p.message[:0], stamp.Stamp{Run: p.run, Room: stamp.Everyone, Seq: k.seq, Sent: p.clock.Now()}, p.size)
	p.body = fmt.Appendf(p.body[:0], `{"op":1000,"keys":["%s"],"body_base64":"`, k.name)
	p.body = append(base64.StdEncoding.AppendEncode(p.body, p.message), `"}`...)
	p.out = fmt.Appendf(p.out[:0], "POST /v1/push HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", p.host, len(p.body))
	p.out = append(p.out, p.body...)
	if _, err := p.conn.Write(p.out); err != nil {
		return fmt.Errorf("bench: push: %w", err)
	}
	return p.answer()
}

// answer reads the answer to one push.
func (p *pusher) answer() error {
	status, err := p.in.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("bench: answer: %w", err)
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	length := -1
	for {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("bench: answer: %w", err)
		}
		if len(line) == 2 {
			break
		}
		if n, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(n))); err != nil {
				return fmt.Errorf("bench: answer: %w", err)
			}
		}
	}
	if length < 0 || length > p.in.Size() {
		return fmt.Errorf("%w: an answer of %d bytes", errAnswer, length)
	}
	body, err := p.in.Peek(length)
	if err != nil {
		return fmt.Errorf("bench: answer: %w", io.ErrUnexpectedEOF)
	}
	if !ok || !bytes.Contains(body, []byte(`"accepted":1`)) {
		return fmt.Errorf("%w: %s", errAnswer, body)
	}
	_, err = p.in.Discard(length)
	return err
}
