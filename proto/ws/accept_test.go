package ws

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
)

// The example of RFC 6455 1.3.
const (
	rfcKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	rfcAnswer = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

func TestAppendAccept(t *testing.T) {
	for _, c := range []struct{ protocol, want string }{
		{"", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: " + rfcAnswer + "\r\n\r\n"},
		{"chat", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: " + rfcAnswer + "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"},
	} {
		got := AppendAccept([]byte("before "), &Request{Key: rfcKey, Protocol: c.protocol})
		if string(got) != "before "+c.want {
			t.Errorf("protocol %q:\n%q\nwant\n%q", c.protocol, got, c.want)
		}
	}
}

// What we answer must be what net/http reads.
func TestAppendReject(t *testing.T) {
	for _, c := range []struct {
		err    *RejectError
		header map[string]string
	}{
		{errMethod, map[string]string{"Allow": "GET"}},
		{errVersion, map[string]string{"Sec-Websocket-Version": "13", "Upgrade": "websocket"}},
		{errNoUpgrade, map[string]string{"Sec-Websocket-Version": "13", "Upgrade": "websocket"}},
		{errHost, nil},
		{&RejectError{403, "origin"}, nil},
		{&RejectError{503, "overloaded"}, nil},
	} {
		b := AppendReject(nil, c.err)
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			t.Fatalf("%v: %v in %q", c.err, err, b)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != c.err.Status || body.String() != c.err.Reason+"\n" || !resp.Close {
			t.Errorf("%v: status %d, body %q, close %v", c.err, resp.StatusCode, &body, resp.Close)
		}
		for k, v := range c.header {
			if got := resp.Header.Get(k); got != v {
				t.Errorf("%v: %s is %q, want %q", c.err, k, got, v)
			}
		}
	}
}
