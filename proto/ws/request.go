package ws

import (
	"bytes"
	"strings"
)

// Request is the head of a client's upgrade, checked. Its strings are copies.
type Request struct {
	// Target is the path and query, which begin with "/".
	Target string
	// Host is what the client dialled: name or address, with ":port" if it
	// named one.
	Host string
	// Origin is the page's site, if HasOrigin: browsers always send it, other
	// clients hardly ever. Whether it may connect is the caller's to say.
	Origin    string
	HasOrigin bool
	// Key is the challenge that AppendAccept answers.
	Key string
	// Protocols are the subprotocols that the client offers, as it wrote them,
	// separated by commas.
	Protocols string
	// Protocol is the one that AppendAccept shall choose, empty for none.
	// ParseRequest leaves it to the caller, who must take one of Protocols.
	Protocol string
}

// Path is Target without its query.
func (r *Request) Path() string {
	path, _, _ := strings.Cut(r.Target, "?")
	return path
}

// HeadLimits bound the head of an upgrade, so that nobody can make a server
// hold or search through more.
type HeadLimits struct {
	Head   int // bytes in all, with the empty line. Zero means 8,192.
	Fields int // header fields. Zero means 64.
	Target int // bytes of the target. Zero means 2,048.
}

func (l HeadLimits) orDefault() HeadLimits {
	if l.Head <= 0 {
		l.Head = 8192
	}
	if l.Fields <= 0 {
		l.Fields = 64
	}
	if l.Target <= 0 {
		l.Target = 2048
	}
	return l
}

// method is the only one that upgrades (RFC 6455 4.1), with its space.
const method = "GET "

// ParseRequest reads the head of an upgrade (RFC 6455 4.2.1, RFC 9112). n is
// its length; what follows are WebSocket frames, once AppendAccept has been
// sent. n == 0 with a nil error means that b ends before the head does. The
// error is a *RejectError: answer with AppendReject and close.
//
// It reads what clients write and refuses everything on which two readers of
// HTTP could disagree: line ends other than CRLF, folded lines, space before a
// colon, a body in whatever disguise, repeated fields that must be single. So
// a proxy in front can have passed nothing that we see otherwise.
func ParseRequest(b []byte, lim HeadLimits) (r Request, n int, err error) {
	lim = lim.orDefault()
	if err := checkStart(b, lim); err != nil {
		return Request{}, 0, err
	}
	n = endOfHead(b[:min(len(b), lim.Head)])
	if n == 0 {
		if len(b) >= lim.Head {
			return Request{}, 0, errHeadTooLarge
		}
		return Request{}, 0, nil
	}
	var h head
	if err := h.parse(b[:n], lim); err != nil {
		return Request{}, 0, err
	}
	if err := h.check(); err != nil {
		return Request{}, 0, err
	}
	return h.request(), n, nil
}

// checkStart looks at method and length of the target as far as they have
// come, so that another protocol is answered at its first byte.
func checkStart(b []byte, lim HeadLimits) error {
	for i := range min(len(b), len(method)) {
		if b[i] == method[i] {
			continue
		}
		if isToken(b[i]) || b[i] == ' ' && i > 0 {
			return errMethod
		}
		return errRequestLine
	}
	if len(b) <= len(method)+lim.Target {
		return nil
	}
	// RFC 9112 3: a server that gets a longer target than it parses answers
	// 414. A target that a line end cuts short is not long but malformed, which
	// is told when the head is whole.
	target := b[len(method) : len(method)+lim.Target+1]
	if bytes.IndexByte(target, ' ') < 0 && bytes.IndexByte(target, '\n') < 0 {
		return errTarget
	}
	return nil
}

// endOfHead is the length of the head, or 0 if b ends before it does. Lines
// that end without CR count here and are refused by the parser; otherwise who
// sends them would wait for an answer.
func endOfHead(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return 0
		}
		at += i + 1
		switch rest := b[at:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return at + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return at + 2
		}
	}
}
