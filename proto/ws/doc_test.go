package ws

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/oortim/oort/proto/frame"
)

// example is a fenced block of docs/protocol.md: bytes, and what the document
// says of them.
type example struct {
	kind  string // what follows the fence
	line  int
	text  string
	bytes []byte
	said  []uint64 // package length, op and seq of each frame; code of a close
}

var (
	fence = regexp.MustCompile("(?ms)^```(\\w[^\n]*)\n(.*?)^```$")
	// row is a line of a wire example: bytes in hex or a string, then words.
	row  = regexp.MustCompile(`^((?:[0-9a-f]{2} ?)+|"(?:\\.|[^"\\])*")(?: {2,}(.*))?$`)
	said = regexp.MustCompile(`(?:package length|op|seq|code): (\d+)`)
)

func document(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// examples are those of one kind; a document without any proves nothing.
func examples(t *testing.T, kind string) []example {
	t.Helper()
	var found []example
	doc := document(t)
	for _, at := range fence.FindAllStringSubmatchIndex(doc, -1) {
		ex := example{kind: doc[at[2]:at[3]], text: doc[at[4]:at[5]], line: 2 + strings.Count(doc[:at[0]], "\n")}
		if ex.kind == kind {
			found = append(found, ex)
		}
	}
	if len(found) == 0 {
		t.Fatalf("docs/protocol.md has no example %q", kind)
	}
	return found
}

// wireExamples are examples with their bytes read.
func wireExamples(t *testing.T, kind string) []example {
	t.Helper()
	found := examples(t, kind)
	for i := range found {
		for j, line := range strings.Split(strings.TrimSuffix(found[i].text, "\n"), "\n") {
			found[i].read(t, found[i].line+j, line)
		}
	}
	return found
}

func (ex *example) read(t *testing.T, at int, line string) {
	t.Helper()
	m := row.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("docs/protocol.md:%d: not bytes and a comment: %q", at, line)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if m[1][0] == '"' {
		var s string
		s, err = strconv.Unquote(m[1])
		b = []byte(s)
	}
	if err != nil {
		t.Fatalf("docs/protocol.md:%d: %v", at, err)
	}
	ex.bytes = append(ex.bytes, b...)
	for _, m := range said.FindAllStringSubmatch(m[2], -1) {
		n, err := strconv.ParseUint(m[1], 10, 32)
		if err != nil {
			t.Fatalf("docs/protocol.md:%d: %v", at, err)
		}
		ex.said = append(ex.said, n)
	}
}

// frames reads b to its end and returns length, op and seq of each frame, and
// of those in it if it is a batch.
func frames(t *testing.T, b []byte) (facts []uint64) {
	t.Helper()
	var again []byte
	for rest := b; len(rest) > 0; {
		f, n, err := frame.Next(rest, 1<<16)
		if err != nil || n == 0 {
			t.Fatalf("% x: n %d, %v", rest, n, err)
		}
		again = frame.Append(again, f.Op, f.Seq, f.Body)
		rest = rest[n:]
		facts = append(facts, uint64(n), uint64(f.Op), uint64(f.Seq))
		if f.Op != frame.OpBatch {
			continue
		}
		for f, err := range frame.Frames(f.Body, 1<<16) {
			if err != nil {
				t.Fatal(err)
			}
			facts = append(facts, uint64(frame.HeaderLen+len(f.Body)), uint64(f.Op), uint64(f.Seq))
		}
	}
	if !bytes.Equal(again, b) {
		t.Errorf("we write % x\nthe document has % x", again, b)
	}
	return facts
}

func (ex *example) compare(t *testing.T, facts []uint64) {
	t.Helper()
	if len(facts) == 0 || len(facts) != len(ex.said) {
		t.Fatalf("docs/protocol.md:%d: says %d, it is %d", ex.line, ex.said, facts)
	}
	for i := range facts {
		if facts[i] != ex.said[i] {
			t.Errorf("docs/protocol.md:%d: says %d, it is %d", ex.line, ex.said, facts)
			return
		}
	}
}

func TestDocumentTCP(t *testing.T) {
	for _, ex := range wireExamples(t, "wire tcp") {
		ex.compare(t, frames(t, ex.bytes))
	}
}

func TestDocumentWebSocketClient(t *testing.T) {
	for _, ex := range wireExamples(t, "wire ws-client") {
		wire := bytes.Clone(ex.bytes)
		h, _, err := ParseHeader(wire)
		if err != nil {
			t.Fatal(err)
		}
		var s State
		p, n, err := s.Next(wire, Limits{})
		if err != nil || n != len(wire) {
			t.Fatalf("docs/protocol.md:%d: n %d of %d, %v", ex.line, n, len(wire), err)
		}
		if again := AppendMasked(nil, p.Op, p.Fin, h.Key, p.Payload); !bytes.Equal(again, ex.bytes) {
			t.Errorf("docs/protocol.md:%d: we write % x", ex.line, again)
		}
		ex.compare(t, frames(t, p.Payload))
	}
}

func TestDocumentWebSocketServer(t *testing.T) {
	for _, ex := range wireExamples(t, "wire ws-server") {
		h, n, err := ParseHeader(ex.bytes)
		if err != nil || h.Masked || int(h.Len) != len(ex.bytes)-n {
			t.Fatalf("docs/protocol.md:%d: %+v, %v", ex.line, h, err)
		}
		payload := ex.bytes[n:]
		again := AppendFrame(nil, h.Op, payload)
		var facts []uint64
		if h.Op == OpClose {
			code, reason, err := ParseClose(payload)
			if err != nil {
				t.Fatal(err)
			}
			again, facts = AppendClose(nil, code, string(reason)), []uint64{uint64(code)}
		} else {
			facts = frames(t, payload)
		}
		if !bytes.Equal(again, ex.bytes) {
			t.Errorf("docs/protocol.md:%d: we write % x", ex.line, again)
		}
		ex.compare(t, facts)
	}
}

func TestDocumentUpgrade(t *testing.T) {
	crlf := func(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }
	requests, responses := examples(t, "http request"), examples(t, "http response")
	if len(requests) != len(responses) {
		t.Fatalf("%d requests, %d responses", len(requests), len(responses))
	}
	for i, ex := range requests {
		head := crlf(ex.text)
		r, n, err := ParseRequest(head, HeadLimits{})
		if err != nil || n != len(head) {
			t.Fatalf("docs/protocol.md:%d: n %d of %d, %v", ex.line, n, len(head), err)
		}
		if got := AppendAccept(nil, &r); !bytes.Equal(got, crlf(responses[i].text)) {
			t.Errorf("docs/protocol.md:%d: we answer\n%s", responses[i].line, got)
		}
	}
}

// reasons are those of op 6, from code 3000 on: never renumbered, since clients
// in the field know them.
var reasons = []string{
	"bad_frame", "too_large", "handshake_timeout", "auth_denied", "replaced", "draining", "heartbeat_timeout", "slow",
	"kicked", "overloaded", "flood", "unavailable", "bad_room", "unexpected_op", "internal", "bad_auth",
	"room_full",
}

// The document's tables name every op of the protocol, as we do, and codes
// that a Close frame may carry.
func TestDocumentTables(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| (\\d+) \\| `(\\w+)` \\|")
	ops := map[frame.Op]string{}
	codes := 0
	for _, m := range rows.FindAllStringSubmatch(document(t), -1) {
		n, err := strconv.ParseUint(m[1], 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		if n < 3000 {
			ops[frame.Op(n)] = m[2]
			continue
		}
		if codes == len(reasons) || n != uint64(3000+codes) || m[2] != reasons[codes] || !sendable(uint16(n)) {
			t.Fatalf("code %d is %q, after %d codes", n, m[2], codes)
		}
		codes++
	}
	if codes != len(reasons) {
		t.Errorf("%d codes, want %d", codes, len(reasons))
	}
	for op := frame.Op(0); op < frame.MinPushOp; op++ {
		ours := op.String()
		if ours == strconv.Itoa(int(op)) {
			ours = "" // no op of the protocol
		}
		if ops[op] != ours {
			t.Errorf("op %d is %q in the document, %q here", op, ops[op], ours)
		}
	}
}
