package comet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
	"github.com/oortim/oort/proto/roster"
	"github.com/oortim/oort/proto/ws"
)

// The engine netpoll leaves the pollers of its library, which cannot stop them.
func TestMain(m *testing.M) {
	// The tests of the engines wait more than they work; -parallel still counts,
	// since it is read later.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cloudwego/netpoll.(*defaultPoll).Wait"))
}

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// tableLogic is logic for one comet: it trusts the auth body, as open mode
// does, and remembers who is connected.
type tableLogic struct {
	renewals atomic.Int64
	mu       sync.Mutex
	epoch    uint64
	sessions map[ident.Key]Connect
	epochs   map[ident.Key]uint64
	mids     map[ident.Key]int64
	restored map[ident.Key]string // platforms, as Mend heard of them
	mended   map[ident.Key]int    // how often Mend heard of them
	gone     map[uint64]bool      // links that said goodbye: the tombstones
	compares bool                 // tells digests at renewals
	left     bool
	connects int
	hold     chan struct{} // if not nil, connects wait for it
	late     chan struct{} // if not nil, answers to connects wait for it
	quiet    chan struct{} // if not nil, answers to messages wait for it
	sick     error         // if not nil, what every call returns
	trusting bool          // says that authentication is open
}

func newTableLogic() *tableLogic {
	return &tableLogic{sessions: map[ident.Key]Connect{}, epochs: map[ident.Key]uint64{}, mids: map[ident.Key]int64{}, restored: map[ident.Key]string{}, mended: map[ident.Key]int{}, gone: map[uint64]bool{}}
}

type authBody struct {
	Mid      int64    `json:"mid"`
	Key      string   `json:"key"`
	Room     string   `json:"room_id"`
	Accepts  []uint32 `json:"accepts"`
	Platform string   `json:"platform"`
	// Rooms that it may join, as a token would say.
	Rooms ident.Permission `json:"rooms"`
}

func (l *tableLogic) Sessions(ctx context.Context, connects []Connect, gone []Disconnect) ([]Connected, error) {
	l.mu.Lock()
	hold, sick := l.hold, l.sick
	l.connects += len(connects)
	l.mu.Unlock()
	if sick != nil {
		return nil, sick
	}
	if hold != nil && len(connects) > 0 {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	l.mu.Lock()
	out, late := l.exchangeLocked(connects, gone), l.late
	l.mu.Unlock()
	if late != nil && len(connects) > 0 {
		<-late
	}
	return out, nil
}

func (l *tableLogic) exchangeLocked(connects []Connect, gone []Disconnect) []Connected {
	for _, d := range gone {
		l.gone[d.Link] = true
		if l.sessions[d.Key].Link == d.Link && l.epochs[d.Key] == d.Epoch {
			delete(l.sessions, d.Key)
		}
	}
	out := make([]Connected, len(connects))
	for i, c := range connects {
		out[i] = l.connectLocked(c)
	}
	return out
}

func (l *tableLogic) connectLocked(c Connect) Connected {
	var a authBody
	if json.Unmarshal(c.Body, &a) != nil {
		return Connected{Status: StatusInvalid}
	}
	l.epoch = max(l.epoch, c.SeenEpoch) + 1
	l.sessions[ident.Key(a.Key)], l.epochs[ident.Key(a.Key)], l.mids[ident.Key(a.Key)] = c, l.epoch, a.Mid
	return Connected{Mid: a.Mid, Key: ident.Key(a.Key), Room: ident.Room(a.Room), Accepts: a.Accepts, AcceptsAll: a.Accepts == nil, Epoch: l.epoch, Platform: a.Platform, Rooms: a.Rooms}
}

// pause lets connects wait until the channel is closed.
func (l *tableLogic) pause() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = make(chan struct{})
	return l.hold
}

// pauseAnswers lets answers to connects wait until the channel is closed.
func (l *tableLogic) pauseAnswers() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = make(chan struct{})
	return l.late
}

func (l *tableLogic) answerAtOnce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = nil
}

func (l *tableLogic) epochOf(k ident.Key) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs[k]
}

// asked is how many connects came.
func (l *tableLogic) asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connects
}

func (l *tableLogic) origin(k ident.Key) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sessions[k].Origin
}

func (l *tableLogic) remote(k ident.Key) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sessions[k].RemoteIP
}

func (l *tableLogic) online() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sessions)
}

func (l *tableLogic) Renew(context.Context, Report) (Renewal, error) {
	l.renewals.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	return Renewal{Lease: 10 * time.Second, TrustsClients: l.trusting, Digests: l.digestsLocked()}, l.sick
}

// digestsLocked are of what is stored, if this logic compares.
func (l *tableLogic) digestsLocked() *roster.Digests {
	if !l.compares {
		return nil
	}
	d := new(roster.Digests)
	for k, c := range l.sessions {
		d[roster.Bucket(k)] ^= roster.Hash(k, l.mids[k], c.Link, l.epochs[k])
	}
	return d
}

// Mend restores what is missing and tells strangers.
func (l *tableLogic) Mend(_ context.Context, buckets []int, held []Held) (m Mended, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[uint64]bool{}
	for _, h := range held {
		known[h.Link] = true
		if l.epochs[h.Key] > h.Epoch || l.gone[h.Link] {
			m.Lost = append(m.Lost, h)
			continue
		}
		if l.sessions[h.Key].Link != h.Link {
			m.Missing++
		}
		l.mended[h.Key]++
		l.sessions[h.Key], l.epochs[h.Key], l.mids[h.Key] = Connect{Link: h.Link}, h.Epoch, h.Mid
		l.restored[h.Key] = h.Platform
	}
	for k, c := range l.sessions {
		if slices.Contains(buckets, roster.Bucket(k)) && !known[c.Link] {
			m.Strangers = append(m.Strangers, Held{Link: c.Link, Key: k, Mid: l.mids[k], Epoch: l.epochs[k]})
		}
	}
	return m, l.sick
}

// fail makes every call fail, or work again.
func (l *tableLogic) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sick = err
}

// pauseMessages lets answers to messages wait until the channel is closed.
func (l *tableLogic) pauseMessages() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet = make(chan struct{})
	return l.quiet
}

func (l *tableLogic) Leave(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = true
	return nil
}

func (l *tableLogic) Receive(_ context.Context, m Message) ([]byte, error) {
	l.mu.Lock()
	quiet := l.quiet
	l.mu.Unlock()
	if quiet != nil {
		<-quiet
	}
	return append([]byte("echo:"), m.Body...), nil
}

type rig struct {
	*Server
	logic  *tableLogic
	t      testing.TB
	offset int64

	control func(network, address string, c syscall.RawConn) error // of dial
}

// open starts a comet on loopback with short times, changed by mend.
func open(t testing.TB, engine string, mend func(*Config)) *rig {
	t.Helper()
	return openWith(t, engine, newTableLogic(), mend)
}

func openWith(t testing.TB, engine string, l *tableLogic, mend func(*Config)) *rig {
	t.Helper()
	cfg := Config{
		Server: ident.NewServer("test", time.Now()),
		TCP:    []string{"127.0.0.1:0"}, WS: []string{"127.0.0.1:0"}, Loops: 2,
		Engine: func(o poller.Options) (poller.Engine, error) { return engines.Open(engine, o) },
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	cfg.Times.Linger, cfg.Times.Settle = 100*time.Millisecond, time.Millisecond
	if mend != nil {
		mend(&cfg)
	}
	s, err := Open(cfg, l)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Server: s, logic: l, t: t}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if n := l.online(); n != 0 {
			t.Errorf("%d sessions left behind", n)
		}
		if n := s.links.Load(); n != 0 {
			t.Errorf("%d links left behind", n)
		}
		if n := s.rooms.Load(); n != 0 {
			t.Errorf("%d rooms left behind", n)
		}
		for _, b := range s.buckets {
			if n := b.permits.table.Len(); n != 0 {
				t.Errorf("%d permissions left behind", n)
			}
		}
	})
	return r
}

// each runs a test on every engine of this platform.
func each(t *testing.T, run func(t *testing.T, engine string)) {
	for _, name := range engines.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of them wait
			run(t, name)
		})
	}
}

// alone is each for tests that change the process, and so run by themselves.
func alone(t *testing.T, run func(t *testing.T, engine string)) {
	for _, name := range engines.Names() {
		t.Run(name, func(t *testing.T) { run(t, name) })
	}
}

// push applies one record.
func (r *rig) push(p *pushpb.Push) Outcome {
	r.t.Helper()
	r.offset++
	out, err := r.Apply(context.Background(), Partition{}, []Record{{Offset: r.offset, Push: p}})
	if err != nil {
		r.t.Fatal(err)
	}
	return out[0]
}

func (r *rig) pushRoom(room string, op int32, body string) Outcome {
	return r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: room, Op: op, Body: []byte(body), Lane: pushpb.Lane_LANE_CHAT})
}

// crowd fills a room with members that want nothing, so that it is a large one
// on the only loop.
func (r *rig) crowd(room string) {
	r.t.Helper()
	for i := range 5 {
		r.dial(false).auth(fmt.Sprint("crowd", i), room, 100)
	}
}

// peer is a client over one plain socket.
type peer struct {
	net.Conn
	t    testing.TB
	r    *bufio.Reader
	ws   bool
	held []frame.Frame
	code uint16 // of a WebSocket close frame
}

func (r *rig) dial(webSocket bool) *peer {
	r.t.Helper()
	addr := r.TCPAddr()
	if webSocket {
		addr = r.WSAddr()
	}
	p := r.dialAddr(addr)
	if p.ws = webSocket; webSocket {
		p.raw("GET /sub HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if got := p.status(); got != 101 {
			r.t.Fatalf("upgrade answered %d", got)
		}
	}
	return p
}

// bare dials addr and says nothing.
func (r *rig) bare(addr string) *peer {
	r.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return &peer{Conn: c, t: r.t, r: bufio.NewReader(c)}
}

// wantSilence reads up to the end of a link that is told nothing.
func (p *peer) wantSilence() {
	p.t.Helper()
	defer p.Close()
	p.SetReadDeadline(time.Now().Add(patience))
	if b, err := io.ReadAll(p.r); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("got %q, %v; want nothing but the end", b, err)
	}
}

func (r *rig) dialAddr(addr string) *peer {
	r.t.Helper()
	c, err := (&net.Dialer{Control: r.control}).Dial("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return &peer{Conn: c, t: r.t, r: bufio.NewReader(c)}
}

func (p *peer) raw(s string) {
	p.t.Helper()
	p.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.Write([]byte(s)); err != nil {
		p.t.Logf("write: %v", err)
	}
}

func (p *peer) status() int {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatalf("no HTTP response: %v", err)
	}
	return resp.StatusCode
}

func (p *peer) send(op frame.Op, seq uint32, body string) {
	p.t.Helper()
	f := frame.Append(nil, op, seq, []byte(body))
	if p.ws {
		f = ws.AppendMasked(nil, ws.OpBinary, true, [4]byte{1, 2, 3, 4}, f)
	}
	p.raw(string(f))
}

// next reads one frame; batches are unpacked.
func (p *peer) next() (frame.Frame, error) {
	for len(p.held) == 0 {
		p.SetReadDeadline(time.Now().Add(patience))
		if err := p.fill(); err != nil {
			return frame.Frame{}, err
		}
	}
	f := p.held[0]
	p.held = p.held[1:]
	return f, nil
}

func (p *peer) fill() error {
	if !p.ws {
		f, err := readFrame(p.r)
		p.held = append(p.held, f)
		return err
	}
	var head [10]byte
	if _, err := io.ReadFull(p.r, head[:2]); err != nil {
		return err
	}
	n := int(head[1])
	switch n {
	case 126:
		io.ReadFull(p.r, head[2:4])
		n = int(head[2])<<8 | int(head[3])
	case 127:
		io.ReadFull(p.r, head[2:10])
		n = int(head[7])<<16 | int(head[8])<<8 | int(head[9])
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(p.r, body); err != nil {
		return err
	}
	switch ws.Opcode(head[0] & 15) {
	case ws.OpClose:
		p.code = uint16(body[0])<<8 | uint16(body[1])
		return io.EOF
	case ws.OpPong:
		return nil
	}
	f, err := frame.Exact(body, 1<<20)
	if err != nil {
		return err
	}
	if f.Op != frame.OpBatch {
		p.held = append(p.held, f)
		return nil
	}
	for one, err := range frame.Frames(f.Body, 1<<20) {
		if err != nil {
			return err
		}
		p.held = append(p.held, one)
	}
	return nil
}

func readFrame(r io.Reader) (frame.Frame, error) {
	head := make([]byte, frame.HeaderLen)
	if _, err := io.ReadFull(r, head); err != nil {
		return frame.Frame{}, err
	}
	n := int(head[0])<<24 | int(head[1])<<16 | int(head[2])<<8 | int(head[3])
	whole := append(head, make([]byte, n-frame.HeaderLen)...)
	if _, err := io.ReadFull(r, whole[frame.HeaderLen:]); err != nil {
		return frame.Frame{}, err
	}
	f, err := frame.Exact(whole, 1<<24)
	return f, err
}

// want reads one frame and compares it.
func (p *peer) want(op frame.Op, seq uint32, body string) {
	p.t.Helper()
	f, err := p.next()
	if err != nil {
		p.t.Fatalf("want op %v, got error %v", op, err)
	}
	if f.Op != op || f.Seq != seq || string(f.Body) != body {
		p.t.Fatalf("got op %v seq %d %q, want op %v seq %d %q", f.Op, f.Seq, f.Body, op, seq, body)
	}
}

// wantEnd reads up to the end of the link, closes it, and checks the last
// reason: that of op 6, if any was told.
func (p *peer) wantEnd(why Reason) {
	p.t.Helper()
	defer p.Close()
	told := ""
	for {
		f, err := p.next()
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				p.t.Fatalf("link not ended, want %v", why)
			}
			break
		}
		if f.Op == frame.OpDisconnect {
			told = string(f.Body)
		}
	}
	if code := reasons[why].code; code != 0 {
		if want := fmt.Sprintf(`{"code":%d,"reason":"%s",`, code, why); !strings.HasPrefix(told, want) {
			p.t.Fatalf("told %q, want %s…", told, want)
		}
	} else if told != "" {
		p.t.Fatalf("told %q, want silence for %v", told, why)
	}
}

// auth logs in and waits for the reply.
func (p *peer) auth(key, room string, accepts ...uint32) {
	p.t.Helper()
	p.login(1, key, room, accepts...)
	p.want(frame.OpAuthReply, 1, "")
}

func (p *peer) login(seq uint32, key, room string, accepts ...uint32) {
	p.t.Helper()
	body, _ := json.Marshal(authBody{Mid: 7, Key: key, Room: room, Accepts: accepts})
	p.send(frame.OpAuth, seq, string(body))
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// closedFor is how many links ended for why.
func (r *rig) closedFor(why Reason) (n uint64) {
	for _, m := range r.meters {
		n += m.closed[why].Load()
	}
	return n
}
