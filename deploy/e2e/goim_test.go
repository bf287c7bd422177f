package e2e

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/oortim/oort/deploy/e2e/rig"
)

// goim's clients, written anew from its protocol and without our packages: what
// they send and expect is drawn here byte by byte.

// goimFrame is one frame of goim's wire.
type goimFrame struct {
	ver  uint16
	op   uint32
	seq  uint32
	body string
}

func (f goimFrame) bytes() []byte {
	b := make([]byte, 16, 16+len(f.body))
	binary.BigEndian.PutUint32(b[0:], uint32(16+len(f.body)))
	binary.BigEndian.PutUint16(b[4:], 16)
	binary.BigEndian.PutUint16(b[6:], f.ver)
	binary.BigEndian.PutUint32(b[8:], f.op)
	binary.BigEndian.PutUint32(b[12:], f.seq)
	return append(b, f.body...)
}

func readGoimFrame(r io.Reader) (f goimFrame, err error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil {
		return f, err
	}
	length, header := binary.BigEndian.Uint32(head), binary.BigEndian.Uint16(head[4:])
	if header != 16 || length < 16 || length > 1<<16 {
		return f, fmt.Errorf("header % x", head)
	}
	body := make([]byte, length-16)
	_, err = io.ReadFull(r, body)
	return goimFrame{binary.BigEndian.Uint16(head[6:]), binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:]), string(body)}, err
}

// goimPost pushes as goim's documentation does with curl.
func goimPost(t *testing.T, url, body string) {
	t.Helper()
	res, err := http.Post(url, "application/x-www-form-urlencoded", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	checkGoimAnswer(t, url, res, nil)
}

func checkGoimAnswer(t *testing.T, url string, res *http.Response, data any) {
	t.Helper()
	defer res.Body.Close()
	answer := struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data"`
	}{Code: -1, Data: data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != 200 || answer.Code != 0 {
		t.Fatalf("%s: %s, code %d %q, %v", url, res.Status, answer.Code, answer.Message, err)
	}
}

// TestGoimBenchmarkClient follows goim's benchmarks/client: auth with an empty
// key, then a heartbeat whose version is left at 0, then pushes.
func TestGoimBenchmarkClient(t *testing.T) {
	t.Parallel()
	g := rig.StartServe(t, bin, testedEngines()[0])
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.TCP[0], "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(rig.Patience)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	send := func(f goimFrame) {
		t.Helper()
		if _, err := conn.Write(f.bytes()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(op, seq uint32, body string) {
		t.Helper()
		f, err := readGoimFrame(in)
		if err != nil || f.op != op || f.seq != seq || f.body != body {
			t.Fatalf("%+v, %v; want op %d seq %d body %q", f, err, op, seq, body)
		}
	}
	send(goimFrame{1, 7, 0, `{"mid":1,"key":"","room_id":"test://1","platform":"ios","accepts":[1000,1001,1002]}`})
	if f, err := readGoimFrame(in); err != nil || f.op != 8 {
		t.Fatalf("auth: %+v, %v", f, err)
	}
	send(goimFrame{0, 2, 1, ""})
	want(3, 1, "\x00\x00\x00\x01") // one is in the room

	const message = `{"test":1}`
	goimPost(t, g.API+"/goim/push/room?operation=1000&type=test&room=1", message)
	want(1000, 0, message)
	goimPost(t, g.API+"/goim/push/mids?operation=1001&mids=1&mids=2", message)
	want(1001, 0, message)
	goimPost(t, g.API+"/goim/push/all?operation=1003", message) // not accepted
	goimPost(t, g.API+"/goim/push/all?operation=1002", message)
	want(1002, 0, message)
}

// TestGoimBrowserClient follows goim's examples/javascript: binary messages on
// /sub, batches in op 9.
func TestGoimBrowserClient(t *testing.T) {
	t.Parallel()
	g := rig.StartServe(t, bin, testedEngines()[0])
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, g.WS[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageBinary,
		goimFrame{1, 7, 1, `{"mid":123, "room_id":"live://1000", "platform":"web", "accepts":[1000,1001,1002]}`}.bytes()); err != nil {
		t.Fatal(err)
	}
	if f := browserReads(ctx, t, conn); len(f) != 1 || f[0].op != 8 {
		t.Fatalf("auth: %+v", f)
	}
	if err := conn.Write(ctx, websocket.MessageBinary, goimFrame{1, 2, 1, ""}.bytes()); err != nil {
		t.Fatal(err)
	}
	if f := browserReads(ctx, t, conn); len(f) != 1 || f[0].op != 3 || len(f[0].body) != 4 {
		t.Fatalf("heartbeat: %+v", f)
	}

	const pushes = 20
	for n := range pushes {
		goimPost(t, g.API+"/goim/push/room?operation=1000&type=live&room=1000", fmt.Sprint(n))
	}
	for n := 0; n < pushes; {
		for _, f := range browserReads(ctx, t, conn) {
			if f.op != 1000 || f.body != fmt.Sprint(n) {
				t.Fatalf("%+v, want message %d", f, n)
			}
			n++
		}
	}
	checkOnline(t, g)
}

// browserReads takes one message as the browser client does: a frame, or, of op
// 9, frames within.
func browserReads(ctx context.Context, t *testing.T, conn *websocket.Conn) []goimFrame {
	t.Helper()
	kind, message, err := conn.Read(ctx)
	if err != nil || kind != websocket.MessageBinary {
		t.Fatalf("%v, %v", kind, err)
	}
	frames := split(t, string(message))
	if len(frames) == 1 && frames[0].op == 9 {
		return split(t, frames[0].body)
	}
	if len(frames) != 1 {
		t.Fatalf("%d frames in one message without op 9", len(frames))
	}
	return frames
}

func split(t *testing.T, bytes string) (frames []goimFrame) {
	t.Helper()
	for r := strings.NewReader(bytes); r.Len() > 0; {
		f, err := readGoimFrame(r)
		if err != nil {
			t.Fatalf("%q: %v", bytes, err)
		}
		frames = append(frames, f)
	}
	return frames
}

// checkOnline asks goim's API for the counts. They follow the comets' reports,
// a moment later.
func checkOnline(t *testing.T, g *rig.Gateway) {
	t.Helper()
	rig.WaitFor(t, "one link is counted", func() error {
		url := g.API + "/goim/online/room?type=live&rooms=1000"
		res, err := http.Get(url)
		if err != nil {
			return err
		}
		counts := map[string]int{}
		checkGoimAnswer(t, url, res, &counts)
		if counts["1000"] != 1 {
			return fmt.Errorf("counts %v", counts)
		}
		return nil
	})
}
