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
	message  []byte // the push under way,
	body     []byte // the request's body,
	out      []byte // and the request
	host     string
	run      uint32
	clock    stamp.Clock
	keys     []key
	next     int // of keys
	size     int
	batch    int // pushes a request
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

// answerMost bounds an answer in bytes: 200 for each push of a batch.
const answerMost = 200 * batchMost

// open connects to an API, http://host:port.
func (p *pusher) open(api string) error {
	p.host = strings.TrimPrefix(api, "http://")
	conn, err := net.Dial("tcp", p.host)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	p.conn, p.in = conn, bufio.NewReaderSize(conn, answerMost)
	return nil
}

// push pushes until end, or ctx is over.
func (p *pusher) push(ctx context.Context, end time.Time) error {
	for ctx.Err() == nil {
		began := time.Now()
		if !began.Before(end) {
			return nil
		}
		if err := p.request(); err != nil {
			return err
		}
		p.answered.Record(time.Since(began))
		p.stored += int64(p.batch)
	}
	return ctx.Err()
}

// request sends one request and reads its answer.
func (p *pusher) request() error {
	p.body = p.body[:0]
	for i := range p.batch {
		p.body = append(p.body, "[,"[min(i, 1)])
		p.appendPush()
	}
	body := append(p.body, ']')
	if p.batch == 1 {
		body = p.body[1:] // no list
	}
	p.out = fmt.Appendf(p.out[:0], "POST /v1/push HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", p.host, len(body))
	p.out = append(p.out, body...)
	if _, err := p.conn.Write(p.out); err != nil {
		return fmt.Errorf("bench: push: %w", err)
	}
	return p.answer()
}

// appendPush appends a push to the next key to the request's body.
func (p *pusher) appendPush() {
	k := &p.keys[p.next%len(p.keys)]
	p.next++
	k.seq++
	p.message = stamp.Append(p.message[:0], stamp.Stamp{Run: p.run, Room: stamp.Everyone, Seq: k.seq, Sent: p.clock.Now()}, p.size)
	p.body = fmt.Appendf(p.body, `{"op":1000,"keys":["%s"],"body_base64":"`, k.name)
	p.body = append(base64.StdEncoding.AppendEncode(p.body, p.message), `"}`...)
}

// answer reads the answer to one request. Each of its pushes must have found its
// key.
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
	if !ok || bytes.Count(body, []byte(`"accepted":1`)) != p.batch {
		return fmt.Errorf("%w: %s", errAnswer, body)
	}
	_, err = p.in.Discard(length)
	return err
}
