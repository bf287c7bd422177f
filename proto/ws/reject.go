package ws

import (
	"fmt"
	"net/http"
	"strconv"
)

// RejectError refuses an upgrade. Those of ParseRequest are constants of the
// package: compare Reason, change nothing. A caller makes its own for what it
// refuses itself, as 403 for an origin or 503 under load.
type RejectError struct {
	Status int    // of the HTTP response
	Reason string // its body, the log's word and the metric's label
}

func (e *RejectError) Error() string { return fmt.Sprintf("ws: reject %d %s", e.Status, e.Reason) }

// Faults of the head. None repeats what the client sent.
var (
	errMethod       = &RejectError{http.StatusMethodNotAllowed, "method"}
	errRequestLine  = &RejectError{http.StatusBadRequest, "request_line"}
	errHTTPVersion  = &RejectError{http.StatusBadRequest, "http_version"}
	errTarget       = &RejectError{http.StatusRequestURITooLong, "target_too_long"}
	errTargetForm   = &RejectError{http.StatusBadRequest, "target"}
	errHeadTooLarge = &RejectError{http.StatusRequestHeaderFieldsTooLarge, "head_too_large"}
	errFields       = &RejectError{http.StatusRequestHeaderFieldsTooLarge, "too_many_fields"}
	errLineEnd      = &RejectError{http.StatusBadRequest, "line_end"}
	errFolded       = &RejectError{http.StatusBadRequest, "folded_field"}
	errFieldName    = &RejectError{http.StatusBadRequest, "field_name"}
	errFieldValue   = &RejectError{http.StatusBadRequest, "field_value"}
	errDuplicate    = &RejectError{http.StatusBadRequest, "duplicate_field"}
	errHost         = &RejectError{http.StatusBadRequest, "host"}
	errBody         = &RejectError{http.StatusBadRequest, "body"}
	errNoUpgrade    = &RejectError{http.StatusUpgradeRequired, "not_websocket"}
	errConnection   = &RejectError{http.StatusBadRequest, "connection"}
	errKey          = &RejectError{http.StatusBadRequest, "websocket_key"}
	errVersion      = &RejectError{http.StatusUpgradeRequired, "websocket_version"}
)

// AppendReject appends the HTTP response that refuses an upgrade. Close the
// link after it: what followed the head cannot be told from a next request.
func AppendReject(dst []byte, e *RejectError) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(e.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(e.Status)...)
	switch e.Status {
	case http.StatusUpgradeRequired:
		// RFC 9110 15.5.22: the server MUST say to what; 7.8: and name it in
		// Connection. RFC 6455 4.4: and which versions it speaks.
		dst = append(dst, "\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"...)
	case http.StatusMethodNotAllowed:
		// RFC 9110 15.5.6: the server MUST say which methods it takes.
		dst = append(dst, "\r\nConnection: close\r\nAllow: GET"...)
	default:
		dst = append(dst, "\r\nConnection: close"...)
	}
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(e.Reason)+1), 10)
	dst = append(dst, "\r\n\r\n"...)
	dst = append(dst, e.Reason...)
	return append(dst, '\n')
}
