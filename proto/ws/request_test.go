package ws

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// upgrade is a head with every field that must be there, changed as a test
// asks: a line with the same name takes the place of a line, another is added,
// "-Name" takes one away, and what has a version or no colon is the request
// line.
func upgrade(changes ...string) string {
	lines := []string{
		"GET /sub HTTP/1.1",
		"Host: example.com:3102",
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Key: " + rfcKey,
		"Sec-WebSocket-Version: 13",
	}
	for _, change := range changes {
		name, _, isField := strings.Cut(change, ":")
		if strings.Contains(change, " HTTP/") || !isField && !strings.HasPrefix(change, "-") {
			lines[0] = change
			continue
		}
		at := -1
		for i, line := range lines {
			if strings.HasPrefix(line, strings.TrimPrefix(name, "-")+":") {
				at = i
			}
		}
		switch {
		case strings.HasPrefix(change, "-"):
			lines = append(lines[:at], lines[at+1:]...)
		case at >= 0:
			lines[at] = change
		default:
			lines = append(lines, change)
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// add puts lines at the end of a head, even if their names are there already.
func add(head string, lines ...string) string {
	return strings.TrimSuffix(head, "\r\n") + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func TestParseRequest(t *testing.T) {
	plain := Request{Target: "/sub", Host: "example.com:3102", Key: rfcKey}
	with := func(change func(*Request)) Request {
		r := plain
		change(&r)
		return r
	}
	for _, c := range []struct {
		name string
		head string
		want Request
	}{
		{"plain", upgrade(), plain},
		{"names in any case", strings.NewReplacer("Sec-WebSocket-", "SEC-websocket-", "Host", "hOST").Replace(upgrade()), plain},
		{"no space after colons", strings.ReplaceAll(upgrade(), ": ", ":"), plain},
		{"space around values", strings.ReplaceAll(upgrade(), ": ", ": \t "), plain},
		{"space behind values", strings.ReplaceAll(upgrade(), "\r\nSec", "\t \r\nSec"), plain},
		{"query", upgrade("GET /sub?room=live%3A%2F%2F1&x HTTP/1.1"), with(func(r *Request) { r.Target = "/sub?room=live%3A%2F%2F1&x" })},
		{"origin", upgrade("Origin: https://example.com"), with(func(r *Request) { r.Origin, r.HasOrigin = "https://example.com", true })},
		{"null origin", upgrade("Origin: null"), with(func(r *Request) { r.Origin, r.HasOrigin = "null", true })},
		{"empty origin", upgrade("Origin:"), with(func(r *Request) { r.HasOrigin = true })},
		{"tokens in any case", upgrade("Upgrade: WebSocket", "Connection: UPGRADE"), plain},
		{"Firefox's connection", upgrade("Connection: keep-alive, Upgrade"), plain},
		{"empty members of lists", upgrade("Connection: ,, upgrade ,", "Upgrade: , websocket"), plain},
		{"connection in two fields", add(upgrade("Connection: keep-alive"), "Connection: upgrade"), plain},
		{"connection in two fields, upgrade first", add(upgrade(), "Connection: keep-alive", "Upgrade: h2c"), plain},
		{"several upgrades", upgrade("Upgrade: TLS/1.0, websocket"), plain},
		{"Content-Length of 0", upgrade("Content-Length: 0"), plain},
		{"protocols", upgrade("Sec-WebSocket-Protocol: a, b"), with(func(r *Request) { r.Protocols = "a, b" })},
		{"protocols in two fields", add(upgrade("Sec-WebSocket-Protocol: a"), "sec-websocket-protocol: b,c"),
			with(func(r *Request) { r.Protocols = "a, b,c" })},
		{"extensions, which we do not have", upgrade("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), plain},
		{"IPv6 host", upgrade("Host: [2001:db8::1]:3102"), with(func(r *Request) { r.Host = "[2001:db8::1]:3102" })},
		{"other fields, and twice", upgrade("X-A: 1", "Cookie: a=b"), plain},
		{"repeated other fields", add(upgrade(), "X-A: 1", "X-A: 2", "Cookie: a", "Cookie: b"), plain},
		{"a name longer than any of ours", upgrade("X-" + strings.Repeat("a", 100) + ": 1"), plain},
		{"a tab in a value", upgrade("X-A: a\tb"), plain},
		{"Latin-1 in a value", upgrade("X-A: \xe9\xff"), plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			frames := "\x82\x80\x00\x00\x00\x00"
			r, n, err := ParseRequest([]byte(c.head+frames), HeadLimits{})
			if err != nil || n != len(c.head) || r != c.want {
				t.Errorf("%+v, n %d of %d, %v; want %+v", r, n, len(c.head), err, c.want)
			}
		})
	}
}

func TestPath(t *testing.T) {
	for target, want := range map[string]string{
		"/sub": "/sub", "/sub?a=/b?c": "/sub", "/": "/", "/?": "/", "/sub/": "/sub/",
	} {
		if got := (&Request{Target: target}).Path(); got != want {
			t.Errorf("%q: %q, want %q", target, got, want)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	big := func(n int) string { return strings.Repeat("a", n) }
	for _, c := range []struct {
		name string
		head string
		want *RejectError
	}{
		{"POST", upgrade("POST /sub HTTP/1.1"), errMethod},
		{"HEAD", upgrade("HEAD /sub HTTP/1.1"), errMethod},
		{"CONNECT", upgrade("CONNECT example.com:80 HTTP/1.1"), errMethod},
		{"a method that begins with GET", upgrade("GETS /sub HTTP/1.1"), errMethod},
		{"a method that GET begins with", upgrade("GE /sub HTTP/1.1"), errMethod},
		{"small letters", upgrade("get /sub HTTP/1.1"), errMethod},
		{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errMethod},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00", errRequestLine},
		{"a frame", "\x00\x00\x00\x10\x00\x10\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00", errRequestLine},
		{"space before the method", upgrade(" GET /sub HTTP/1.1"), errRequestLine},
		{"empty line before the request", "\r\n" + upgrade(), errRequestLine},
		{"tab behind the method", upgrade("GET\t/sub HTTP/1.1"), errRequestLine},
		{"nothing behind the method", "GET \r\n\r\n", errRequestLine},
		{"no version", upgrade("GET /sub"), errRequestLine},

		{"no target", upgrade("GET  HTTP/1.1"), errTargetForm},
		{"two spaces", upgrade("GET  /sub HTTP/1.1"), errTargetForm},
		{"absolute target", upgrade("GET http://example.com/sub HTTP/1.1"), errTargetForm},
		{"asterisk", upgrade("GET * HTTP/1.1"), errTargetForm},
		{"authority", upgrade("GET example.com:80 HTTP/1.1"), errTargetForm},
		{"fragment", upgrade("GET /sub#a HTTP/1.1"), errTargetForm},
		{"NUL in the target", upgrade("GET /s\x00ub HTTP/1.1"), errTargetForm},
		{"tab in the target", upgrade("GET /s\tub HTTP/1.1"), errTargetForm},
		{"CR in the target", upgrade("GET /s\rub HTTP/1.1"), errTargetForm},
		{"DEL in the target", upgrade("GET /s\x7fub HTTP/1.1"), errTargetForm},
		{"raw UTF-8 in the target", upgrade("GET /é HTTP/1.1"), errTargetForm},
		{"bad escape", upgrade("GET /%zz HTTP/1.1"), errTargetForm},
		{"cut escape", upgrade("GET /%2 HTTP/1.1"), errTargetForm},
		{"target of 2,049 bytes", upgrade("GET /" + big(2048) + " HTTP/1.1"), errTarget},
		{"target without end", "GET /" + big(1<<16), errTarget},

		{"HTTP/1.0", upgrade("GET /sub HTTP/1.0"), errHTTPVersion},
		{"HTTP/0.9", upgrade("GET /sub HTTP/0.9"), errHTTPVersion},
		{"HTTP/1.2", upgrade("GET /sub HTTP/1.2"), errHTTPVersion},
		{"HTTP/2.0", upgrade("GET /sub HTTP/2.0"), errHTTPVersion},
		{"small http", upgrade("GET /sub http/1.1"), errHTTPVersion},
		{"space behind the version", upgrade("GET /sub HTTP/1.1 "), errHTTPVersion},
		{"a fourth part", upgrade("GET /sub HTTP/1.1 x"), errHTTPVersion},
		{"empty version", upgrade("GET /sub "), errHTTPVersion},

		{"lines ended by LF", strings.ReplaceAll(upgrade(), "\r\n", "\n"), errLineEnd},
		{"request line ended by LF", strings.Replace(upgrade(), "\r\n", "\n", 1), errLineEnd},
		{"field ended by LF", strings.Replace(upgrade("X-A: 1"), "X-A: 1\r\n", "X-A: 1\n", 1), errLineEnd},
		{"head ended by LF", strings.TrimSuffix(upgrade(), "\r\n") + "\n", errLineEnd},

		{"folded field", upgrade("X-A: 1\r\n 2"), errFolded},
		{"field folded by tab", upgrade("X-A: 1\r\n\t2"), errFolded},
		{"folded length", upgrade("Content-Length:\r\n 5"), errFolded},
		{"folded first field", upgrade("GET /sub HTTP/1.1\r\n X-A: 1"), errFolded},
		{"space before the colon", upgrade("Host : example.com"), errFieldName},
		{"tab before the colon", upgrade("Content-Length\t: 5"), errFieldName},
		{"space in a name", upgrade("X A: 1"), errFieldName},
		{"no name", upgrade(": 1"), errFieldName},
		{"no colon", add(upgrade(), "X-A"), errFieldName},
		{"NUL in a name", upgrade("X\x00A: 1"), errFieldName},
		{"CR in a name", upgrade("X\rA: 1"), errFieldName},
		{"UTF-8 in a name", upgrade("Ho\u017ft: a"), errFieldName},
		{"NUL in a value", upgrade("X-A: a\x00b"), errFieldValue},
		{"CR in a value", upgrade("X-A: a\rb"), errFieldValue},
		{"CR at a value's end", upgrade("X-A: a\r"), errFieldValue},
		{"escape in a value", upgrade("X-A: \x1b[2J"), errFieldValue},
		{"DEL in a value", upgrade("X-A: \x7f"), errFieldValue},

		{"no Host", upgrade("-Host"), errHost},
		{"empty Host", upgrade("Host:"), errHost},
		{"two Hosts", add(upgrade(), "Host: example.com"), errDuplicate},
		{"two Hosts in one", upgrade("Host: a,b"), errHost},
		{"Host with a user", upgrade("Host: a@b"), errHost},
		{"Host with a path", upgrade("Host: a/b"), errHost},
		{"Host with a space", upgrade("Host: a b"), errHost},
		{"two Origins", add(upgrade("Origin: https://a"), "Origin: https://b"), errDuplicate},
		{"two keys", add(upgrade(), "sec-websocket-key: "+rfcKey), errDuplicate},
		{"two versions", add(upgrade(), "Sec-WebSocket-Version: 13"), errDuplicate},
		{"two lengths", add(upgrade("Content-Length: 0"), "content-length: 0"), errDuplicate},

		{"chunked", upgrade("Transfer-Encoding: chunked"), errBody},
		{"identity", upgrade("transfer-encoding: identity"), errBody},
		{"empty Transfer-Encoding", upgrade("Transfer-Encoding:"), errBody},
		{"Transfer-Encoding and length 0", upgrade("Content-Length: 0", "Transfer-Encoding: chunked"), errBody},
		{"length 5", upgrade("Content-Length: 5"), errBody},
		{"length -0", upgrade("Content-Length: -0"), errBody},
		{"length +0", upgrade("Content-Length: +0"), errBody},
		{"length 00", upgrade("Content-Length: 00"), errBody},
		{"length 0, 0", upgrade("Content-Length: 0, 0"), errBody},
		{"length 0x0", upgrade("Content-Length: 0x0"), errBody},
		{"no length", upgrade("Content-Length:"), errBody},

		{"no Upgrade", upgrade("-Upgrade"), errNoUpgrade},
		{"another upgrade", upgrade("Upgrade: h2c"), errNoUpgrade},
		{"a word with websocket in it", upgrade("Upgrade: websockets"), errNoUpgrade},
		{"no Connection", upgrade("-Connection"), errConnection},
		{"Connection: close", upgrade("Connection: close"), errConnection},
		{"a token with upgrade in it", upgrade("Connection: keep-alive, upgrades"), errConnection},
		{"tokens that are not separated", upgrade("Connection: keep-alive upgrade"), errFieldValue},
		{"a quoted list of tokens", upgrade(`Connection: "keep-alive, upgrade`), errFieldValue},
		{"a quoted upgrade", upgrade(`Upgrade: "websocket"`), errFieldValue},
		{"no version", upgrade("-Sec-WebSocket-Version"), errVersion},
		{"version 8", upgrade("Sec-WebSocket-Version: 8"), errVersion},
		{"version 13, 8", upgrade("Sec-WebSocket-Version: 13, 8"), errVersion},
		{"version 013", upgrade("Sec-WebSocket-Version: 013"), errVersion},
		{"no key", upgrade("-Sec-WebSocket-Key"), errKey},
		{"empty key", upgrade("Sec-WebSocket-Key:"), errKey},
		{"key of 15 bytes", upgrade("Sec-WebSocket-Key: YWFhYWFhYWFhYWFhYWFh"), errKey},
		{"key of 17 bytes", upgrade("Sec-WebSocket-Key: YWFhYWFhYWFhYWFhYWFhYWE="), errKey},
		{"key without padding", upgrade("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), errKey},
		{"key that is no base64", upgrade("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="), errKey},

		{"65 fields", add(upgrade(), strings.Repeat("X-A: 1\r\n", 59)+"X-A: 1"), errFields},
		{"head of 8,193 bytes", upgrade("X-A: " + big(8193-len(upgrade("X-A: ")))), errHeadTooLarge},
		{"a field without end", "GET /sub HTTP/1.1\r\nX-A: " + big(1<<20), errHeadTooLarge},
		{"fields without end", "GET /sub HTTP/1.1\r\n" + strings.Repeat("X-A: 1\r\n", 1<<16), errHeadTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, n, err := ParseRequest([]byte(c.head), HeadLimits{})
			if err != c.want || n != 0 || r != (Request{}) {
				t.Errorf("%+v, n %d, %v; want %v", r, n, err, c.want)
			}
		})
	}
}

// What each refusal answers is part of the protocol.
func TestRejectStatus(t *testing.T) {
	for err, status := range map[*RejectError]int{
		errMethod: 405, errTarget: 414, errHeadTooLarge: 431, errFields: 431, errNoUpgrade: 426, errVersion: 426,
		errRequestLine: 400, errHTTPVersion: 400, errTargetForm: 400, errLineEnd: 400, errFolded: 400, errFieldName: 400,
		errFieldValue: 400, errDuplicate: 400, errHost: 400, errBody: 400, errConnection: 400, errKey: 400,
	} {
		if err.Status != status || http.StatusText(status) == "" {
			t.Errorf("%s: %d, want %d", err.Reason, err.Status, status)
		}
	}
}

// Heads of exactly the limits pass.
func TestHeadLimits(t *testing.T) {
	lim := HeadLimits{Head: 300, Fields: 6, Target: 20}
	fill := func(n int) string { return strings.Repeat("a", n) }
	for _, c := range []struct {
		name string
		head string
		want error
	}{
		{"head", upgrade("X-A: " + fill(300-len(upgrade("X-A: ")))), nil},
		{"head, a byte more", upgrade("X-A: " + fill(301-len(upgrade("X-A: ")))), errHeadTooLarge},
		{"fields", upgrade("A: "), nil},
		{"fields, one more", upgrade("A: ", "B: "), errFields},
		{"target", upgrade("GET /" + fill(19) + " HTTP/1.1"), nil},
		{"target, a byte more", upgrade("GET /" + fill(20) + " HTTP/1.1"), errTarget},
	} {
		_, n, err := ParseRequest([]byte(c.head), lim)
		if c.want == nil && (err != nil || n != len(c.head)) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: n %d, %v; want %v", c.name, n, err, c.want)
		}
	}
	// The defaults are the documented ones.
	if got := fmt.Sprint(HeadLimits{}.orDefault()); got != "{8192 64 2048}" {
		t.Errorf("defaults %s", got)
	}
}

// Another protocol is answered at its first byte, an endless target or head
// at the first byte too many, and not before.
func TestParseRequestEarly(t *testing.T) {
	fill := strings.Repeat("a", 1<<14)
	for _, c := range []struct {
		name string
		in   string
		want error
		at   int
	}{
		{"TLS", "\x16\x03\x01", errRequestLine, 1},
		{"POST", "POST", errMethod, 1},
		{"GETS", "GETS", errMethod, 4},
		{"target", "GET /" + fill, errTarget, 4 + 2048 + 1},
		{"head", "GET / HTTP/1.1\r\nA: " + fill, errHeadTooLarge, 8192},
		{"LF", "GET / HTTP/1.1\n\n", errLineEnd, 16},
	} {
		if _, n, err := ParseRequest([]byte(c.in[:c.at-1]), HeadLimits{}); n != 0 || err != nil {
			t.Errorf("%s: %d bytes: n %d, %v", c.name, c.at-1, n, err)
		}
		if _, _, err := ParseRequest([]byte(c.in[:c.at]), HeadLimits{}); err != c.want {
			t.Errorf("%s: %d bytes: %v, want %v", c.name, c.at, err, c.want)
		}
	}
}
