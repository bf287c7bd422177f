package echo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// sizes are the boundaries of the length's encodings, of our pieces, and of
// what an engine reads at a time.
var sizes = []int{0, 1, 125, 126, 127, 65535, 65536, 65537, 2*pieceLen - 1, 2 * pieceLen, 2*pieceLen + 1, 300_001}

// TestCoderClient has another implementation talk to the server.
func TestCoderClient(t *testing.T) {
	each(t, func(t *testing.T, s *rig) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, _, err := websocket.Dial(ctx, "ws://"+s.Addrs()[0].String()+"/any/path?q", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20)
		for _, n := range sizes {
			for _, kind := range []websocket.MessageType{websocket.MessageBinary, websocket.MessageText} {
				echoed(t, ctx, c, kind, bytes.Repeat([]byte{'a'}, n))
			}
		}
		text := strings.Repeat("aé€𤭢", 40_000)
		echoed(t, ctx, c, websocket.MessageText, []byte(text))
		if err := c.Close(4711, "done"); err != nil {
			t.Errorf("its Close was answered by %v", err)
		}
	})
}

func echoed(t *testing.T, ctx context.Context, c *websocket.Conn, kind websocket.MessageType, want []byte) {
	t.Helper()
	// By Writer, a long message goes out in fragments of this client's choice.
	w, err := c.Writer(ctx, kind)
	if err == nil {
		_, err = w.Write(want)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	gotKind, got, err := c.Read(ctx)
	if err != nil || gotKind != kind || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %v: %d bytes of %v, %v", len(want), kind, len(got), gotKind, err)
	}
}

// TestCoderClientIsRefused lets it send text that is none.
func TestCoderClientIsRefused(t *testing.T) {
	each(t, func(t *testing.T, s *rig) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, _, err := websocket.Dial(ctx, "ws://"+s.Addrs()[0].String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if err := c.Write(ctx, websocket.MessageText, []byte("\xff")); err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Read(ctx)
		var end websocket.CloseError
		if !errors.As(err, &end) || end.Code != websocket.StatusInvalidFramePayloadData || end.Reason != "text_utf8" {
			t.Errorf("%v", err)
		}
	})
}

// TestGobwasClient has a third one send whole frames of every size.
func TestGobwasClient(t *testing.T) {
	each(t, func(t *testing.T, s *rig) {
		c, _, _, err := gobwas.Dial(context.Background(), "ws://"+s.Addrs()[0].String()+"/")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, n := range sizes {
			want := bytes.Repeat([]byte{0xa5}, n)
			if err := wsutil.WriteClientBinary(c, want); err != nil {
				t.Fatal(err)
			}
			got, op, err := wsutil.ReadServerData(c)
			if err != nil || op != gobwas.OpBinary || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: %d, %v", n, len(got), err)
			}
		}
	})
}

// TestRefusesUpgrades says no in HTTP.
func TestRefusesUpgrades(t *testing.T) {
	each(t, func(t *testing.T, s *rig) {
		for head, status := range map[string]string{
			"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                      "426 ",
			strings.Replace(upgradeHead, "Version: 13", "Version: 8", 1):             "426 ",
			strings.Replace(upgradeHead, "Host: oort\r\n", "", 1):                    "400 ",
			"GOT / HTTP/1.1\r\n\r\n":                                                 "405 ",
			"GET /" + strings.Repeat("a", 4000) + " HTTP/1.1\r\n\r\n":                "414 ",
			"GET / HTTP/1.1\r\n" + strings.Repeat("A: "+hello+"\r\n", 1000) + "\r\n": "431 ",
		} {
			p := dial(t, s)
			go io.WriteString(p, head) //nolint:errcheck // what fails here is seen below
			p.head(t, status)
			if _, err := io.Copy(io.Discard, p.in); err != nil {
				t.Errorf("%s: after the answer: %v", status, err)
			}
			p.Close()
		}
	})
}

// TestLimit refuses a message above the limit by its header, and takes one of
// the limit.
func TestLimit(t *testing.T) {
	s := open(t, Config{Loops: 1, MaxMessage: 1000})
	p := strings.Repeat("a", 1000)
	half := client{}.begun(p[:500])
	for _, c := range []conformance{
		good("limit", client{}.text(p), text(p)),
		good("limit in fragments", half.more("").last(p[500:]), text(p)),
		bad("above", upTo(client{}.text(p+"a"), 1001), 1009),
		bad("above in fragments", upTo(half.last(p[:501]), 501), 1009),
	} {
		c.run(t, s, 1)
		c.run(t, s, len(c.send))
	}
	if n := s.Stats(); n.Refused != 4 || n.Messages != 4 || n.Accepted != 8 {
		t.Errorf("%v", n)
	}
}
