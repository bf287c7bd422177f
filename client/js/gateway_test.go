package js_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/oortim/oort/client/js"
	"github.com/oortim/oort/proto/frame"
)

func mk(op frame.Op, seq uint32, body string) []byte { return frame.Append(nil, op, seq, []byte(body)) }

// gateway is a small oort in a test: page, push API and WebSocket at one
// address, which it keeps over a restart. It has what the page asks for and a
// handle on every link, so that a test can do to them what a real server does
// only on a bad day.
type gateway struct {
	t    *testing.T
	addr string
	srv  *http.Server
	wg   sync.WaitGroup // links

	mu     sync.Mutex // guards what follows
	links  map[*websocket.Conn]string
	auth   string
	asked  []string
	mute   bool
	bearer string
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{t: t, addr: "127.0.0.1:0", links: map[*websocket.Conn]string{}}
	g.start()
	t.Cleanup(g.stop)
	return g
}

func (g *gateway) start() {
	g.t.Helper()
	ln, err := net.Listen("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/", js.Handler())
	mux.HandleFunc("/sub", g.sub)
	mux.HandleFunc("POST /goim/push/room", g.push)
	mux.HandleFunc("GET /goim/nodes/weighted", g.nodes)
	g.srv = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	srv := g.srv
	g.wg.Go(func() { srv.Serve(ln) })
}

// stop ends everything as a crash does.
func (g *gateway) stop() {
	g.srv.Close()
	g.cut()
	g.wg.Wait()
}

func (g *gateway) http() string { return "http://" + g.addr }
func (g *gateway) ws() string   { return "ws://" + g.addr + "/sub" }

func (g *gateway) nodes(w http.ResponseWriter, _ *http.Request) {
	host, port, _ := net.SplitHostPort(g.addr)
	fmt.Fprintf(w, `{"code":0,"message":"","data":{"ws_port":%s,"nodes":[%q]}}`, port, host)
}

func (g *gateway) push(w http.ResponseWriter, r *http.Request) {
	if g.bearer != "" && r.Header.Get("Authorization") != "Bearer "+g.bearer {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(r.Body)
	room := r.FormValue("type") + "://" + r.FormValue("room")
	g.sendTo(room, frame.Append(nil, 1000, 0, body))
	io.WriteString(w, `{"code":0,"message":""}`)
}

func (g *gateway) sub(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	g.wg.Add(1)
	defer g.wg.Done()
	defer c.CloseNow()
	defer func() { g.mu.Lock(); delete(g.links, c); g.mu.Unlock() }()
	for {
		_, b, err := c.Read(context.Background())
		if err != nil {
			return
		}
		f, err := frame.Exact(b, 1<<20)
		if err != nil {
			return
		}
		if reply := g.answer(c, f); reply != nil {
			c.Write(context.Background(), websocket.MessageBinary, reply)
		}
		if string(f.Body) == "hang" {
			return
		}
	}
}

func (g *gateway) answer(c *websocket.Conn, f frame.Frame) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	var body []byte
	switch f.Op {
	case frame.OpAuth:
		var a struct {
			Room string `json:"room_id"`
		}
		json.Unmarshal(f.Body, &a)
		g.auth, g.links[c] = string(f.Body), a.Room
	case frame.OpHeartbeat:
		if g.mute {
			return nil
		}
		body = binary.BigEndian.AppendUint32(nil, uint32(len(g.links)))
	case frame.OpMessage:
		if string(f.Body) == "hang" {
			return nil
		}
		body = bytes.ToUpper(f.Body)
	case frame.OpChangeRoom:
		if strings.HasPrefix(string(f.Body), "vip://") {
			body = []byte(`{"error":"denied"}`)
			break
		}
		g.links[c] = string(f.Body)
	}
	if f.Op != frame.OpAuth && f.Op != frame.OpHeartbeat {
		g.asked = append(g.asked, fmt.Sprintf("%d %s", f.Op, f.Body))
	}
	return frame.Append(nil, f.Op+1, f.Seq, body)
}

// send writes b to every link, sendTo to those in room.
func (g *gateway) send(b []byte) { g.sendTo("", b) }

func (g *gateway) sendTo(room string, b []byte) {
	for _, c := range g.in(room) {
		c.Write(context.Background(), websocket.MessageBinary, b)
	}
}

func (g *gateway) in(room string) (conns []*websocket.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c, r := range g.links {
		if room == "" || r == room {
			conns = append(conns, c)
		}
	}
	return conns
}

// cut ends every link without a word, closeWith by a close frame.
func (g *gateway) cut() {
	for _, c := range g.in("") {
		c.CloseNow()
	}
}

func (g *gateway) closeWith(code websocket.StatusCode, reason string) {
	for _, c := range g.in("") {
		c.Close(code, reason)
	}
}

func (g *gateway) silence(on bool)  { g.mu.Lock(); g.mute = on; g.mu.Unlock() }
func (g *gateway) lastAuth() string { g.mu.Lock(); defer g.mu.Unlock(); return g.auth }
func (g *gateway) requests() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.asked, ", ")
}

// wait until cond, which is called with the lock held, is true.
func (g *gateway) wait(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		g.mu.Lock()
		ok := cond()
		g.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("condition did not come true")
		}
	}
}
