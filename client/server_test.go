package client_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/oortim/oort/proto/frame"
)

// peer is the server's side of one link in a test: a script reads and sends
// frames by it. It speaks the wire of both transports.
type peer struct {
	net.Conn
	ws   bool
	conn *websocket.Conn // nil on TCP
	auth map[string]any  // body of the auth frame
	seq  uint32          // of the auth frame
}

func (p *peer) recv() (frame.Frame, error) {
	head := make([]byte, frame.HeaderLen)
	if _, err := io.ReadFull(p, head); err != nil {
		return frame.Frame{}, err
	}
	all := append(head, make([]byte, binary.BigEndian.Uint32(head)-frame.HeaderLen)...)
	if _, err := io.ReadFull(p, all[frame.HeaderLen:]); err != nil {
		return frame.Frame{}, err
	}
	return frame.Exact(all, 1<<20)
}

// send sends frames as a comet does: on TCP one after the other, on WebSocket
// several as one of op 9.
func (p *peer) send(frames ...[]byte) {
	b := frames[0]
	if len(frames) > 1 {
		b = nil
		for _, f := range frames {
			b = append(b, f...)
		}
		if p.ws {
			b = frame.Append(nil, frame.OpBatch, 0, b)
		}
	}
	p.Write(b) // a script that goes on after an end finds out by recv
}

func mk(op frame.Op, seq uint32, body string) []byte {
	return frame.Append(nil, op, seq, []byte(body))
}

func online(seq uint32, n int32) []byte {
	return frame.Append(nil, frame.OpHeartbeatReply, seq, binary.BigEndian.AppendUint32(nil, uint32(n)))
}

// accept reads the auth frame.
func (p *peer) accept() bool {
	f, err := p.recv()
	if err != nil || f.Op != frame.OpAuth {
		return false
	}
	p.seq = f.Seq
	return json.Unmarshal(f.Body, &p.auth) == nil
}

// welcome accepts and answers.
func (p *peer) welcome() bool {
	if !p.accept() {
		return false
	}
	p.send(mk(frame.OpAuthReply, p.seq, ""))
	return true
}

// echo answers all requests until the link ends.
func (p *peer) echo() {
	for {
		f, err := p.recv()
		if err != nil {
			return
		}
		switch f.Op {
		case frame.OpHeartbeat:
			p.send(online(f.Seq, 7))
		default:
			p.send(frame.Append(nil, f.Op+1, f.Seq, f.Body))
		}
	}
}

// serve runs script for each link of a new server and returns its address. At
// the end of the test every link is cut and every script has returned.
func serve(t *testing.T, scheme string, script func(*peer)) string {
	t.Helper()
	s := &scripts{run: script, conns: map[net.Conn]bool{}}
	if scheme == "ws" {
		h := httptest.NewServer(http.HandlerFunc(s.upgrade))
		t.Cleanup(func() { s.end(); h.Close() })
		return "ws" + strings.TrimPrefix(h.URL, "http")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.wg.Go(func() { s.acceptAll(ln) })
	t.Cleanup(func() { ln.Close(); s.end() })
	return "tcp://" + ln.Addr().String()
}

type scripts struct {
	run   func(*peer)
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (s *scripts) acceptAll(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.link(&peer{Conn: conn}) })
	}
}

func (s *scripts) upgrade(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/sub" {
		http.NotFound(w, r)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	nc := websocket.NetConn(context.Background(), conn, websocket.MessageBinary)
	s.link(&peer{Conn: nc, ws: true, conn: conn})
	conn.CloseNow()
}

func (s *scripts) link(p *peer) {
	s.mu.Lock()
	s.conns[p.Conn] = true
	s.mu.Unlock()
	s.run(p)
	p.Close()
	s.mu.Lock()
	delete(s.conns, p.Conn)
	s.mu.Unlock()
}

func (s *scripts) end() {
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
