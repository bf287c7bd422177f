package ws

import (
	"bytes"
	"encoding/base64"
)

// head is a request's head while it is read. Its slices alias the head.
type head struct {
	target, host, origin, key, version, length []byte

	protocols           []byte // copied, if there is more than one field
	connection, upgrade bool   // the tokens that RFC 6455 4.2.1 asks for
	seen                single
	fields              int
}

// single is a set of the fields that may come only once: RFC 9112 3.2 (Host)
// and 6.3 (Content-Length), RFC 6454 7.3 (Origin), RFC 6455 11.3.1 and 11.3.5.
type single uint8

const (
	seenHost single = 1 << iota
	seenOrigin
	seenKey
	seenVersion
	seenLength
)

// parse reads all lines of b, a whole head with its empty line.
func (h *head) parse(b []byte, lim HeadLimits) error {
	line, rest, ok := cutLine(b)
	if !ok {
		return errLineEnd
	}
	if err := h.requestLine(line); err != nil {
		return err
	}
	for {
		line, rest, ok = cutLine(rest)
		switch {
		case !ok:
			return errLineEnd
		case len(line) == 0:
			return nil
		case h.fields == lim.Fields:
			return errFields
		}
		h.fields++
		if err := h.field(line); err != nil {
			return err
		}
	}
}

// cutLine cuts b behind its first LF. ok means that the line ended in CRLF.
// RFC 9112 2.2 lets a reader take a single LF for a line end; then two readers
// can see two heads, so we do not.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, false
	}
	return b[:i-1], b[i+1:], true
}

// requestLine reads "GET target HTTP/1.1" (RFC 9112 3), with exactly one space
// between the parts. checkStart has seen the method and bounded the target.
func (h *head) requestLine(line []byte) error {
	if len(line) < len(method) {
		return errRequestLine
	}
	target, version, ok := bytes.Cut(line[len(method):], []byte(" "))
	if !ok {
		return errRequestLine
	}
	if !isTarget(target) {
		return errTargetForm
	}
	// RFC 6455 4.1: "an HTTP/1.1 or higher GET request"; higher ones upgrade
	// by other means, and 1.0 has neither Upgrade nor a Host to rely on.
	if string(version) != "HTTP/1.1" {
		return errHTTPVersion
	}
	h.target = target
	return nil
}

// field reads "name: value" (RFC 9112 5).
func (h *head) field(line []byte) error {
	if isSpace(line[0]) {
		// 5.2: a server MUST reject a folded line or replace the fold.
		return errFolded
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	// 5.1: "No whitespace is allowed between the field name and colon. … A
	// server MUST reject" it: space is no token byte.
	if !ok || !every(name, isToken) {
		return errFieldName
	}
	value = bytes.Trim(value, " \t")
	// RFC 9110 5.5: CR, LF and NUL are dangerous and MUST be rejected or
	// replaced; other control bytes are invalid too.
	if len(value) > 0 && !every(value, isValue) {
		return errFieldValue
	}
	return h.keep(name, value)
}

// keep remembers a field if it matters.
func (h *head) keep(name, value []byte) error {
	var lower [len("sec-websocket-protocol")]byte
	if len(name) > len(lower) {
		return nil
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower[:len(name)]) {
	case "host":
		return h.once(seenHost, &h.host, value)
	case "origin":
		return h.once(seenOrigin, &h.origin, value)
	case "sec-websocket-key":
		return h.once(seenKey, &h.key, value)
	case "sec-websocket-version":
		return h.once(seenVersion, &h.version, value)
	case "content-length":
		return h.once(seenLength, &h.length, value)
	case "transfer-encoding":
		// A GET to upgrade has no body; whoever says it has one wants us and a
		// proxy to disagree on where it ends (RFC 9112 11.2).
		return errBody
	case "connection":
		return list(value, "upgrade", &h.connection)
	case "upgrade":
		return list(value, "websocket", &h.upgrade)
	case "sec-websocket-protocol":
		h.offer(value)
	}
	return nil
}

func (h *head) once(which single, to *[]byte, value []byte) error {
	if h.seen&which != 0 {
		return errDuplicate
	}
	h.seen |= which
	*to = value
	return nil
}

// list notes whether token is in a list, which may go on in further fields.
func list(value []byte, token string, noted *bool) error {
	found, ok := findToken(value, token)
	if !ok {
		return errFieldValue
	}
	*noted = *noted || found
	return nil
}

// offer adds subprotocols: RFC 6455 11.3.4 lets the field come several times,
// which is the same as once with all values.
func (h *head) offer(value []byte) {
	if h.protocols == nil {
		h.protocols = value
		return
	}
	h.protocols = bytes.Join([][]byte{h.protocols, value}, []byte(", "))
}

// check asks for what an upgrade must have (RFC 6455 4.2.1).
func (h *head) check() error {
	switch {
	case !isHost(h.host):
		// RFC 9112 3.2: a server MUST answer 400 to a request without Host,
		// with several, or with an invalid one.
		return errHost
	case h.seen&seenLength != 0 && string(h.length) != "0":
		return errBody
	case !h.upgrade:
		return errNoUpgrade
	case !h.connection:
		return errConnection
	case string(h.version) != "13":
		return errVersion
	case !isKey(h.key):
		return errKey
	}
	return nil
}

func (h *head) request() Request {
	return Request{
		Target:    string(h.target),
		Host:      string(h.host),
		Origin:    string(h.origin),
		HasOrigin: h.seen&seenOrigin != 0,
		Key:       string(h.key),
		Protocols: string(h.protocols),
	}
}

// keyBytes is the size of a client's nonce, keyText that of its base64.
const (
	keyBytes = 16
	keyText  = 24
)

// isKey tells whether key is what RFC 6455 4.1 asks for: "a nonce consisting of
// a randomly selected 16-byte value that has been base64-encoded".
func isKey(key []byte) bool {
	if len(key) != keyText {
		return false
	}
	var nonce [keyText]byte
	n, err := base64.StdEncoding.Decode(nonce[:], key)
	return err == nil && n == keyBytes
}
