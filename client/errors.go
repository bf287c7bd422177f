package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Errors of Dial.
var (
	// ErrAddr: Options.Addr cannot be understood.
	ErrAddr = errors.New("bad address")
	// ErrProtocol: the server sent what the protocol does not allow there.
	ErrProtocol = errors.New("client: protocol broken by the server")
)

// ErrRoomDenied: the link may not enter that room; its token says which it may.
// Comes wrapped with the room.
var ErrRoomDenied = errors.New("client: room denied")

// Errors that end a link.
var (
	// ErrClosed: Close was called.
	ErrClosed = errors.New("client: closed")
	// ErrLost: the connection ended without a word of the server; wrapped with
	// what the system said.
	ErrLost = errors.New("client: connection lost")
	// ErrSilent: no answer to a heartbeat, nor anything else, in Options.Timeout.
	ErrSilent = errors.New("client: server is silent")
)

// Code is the server's typed reason for ending a link. On WebSocket it is the
// close code as well.
type Code uint16

// Codes that a comet sends (docs/protocol.md). Others may follow: go by
// DisconnectError.Retry.
const (
	CodeBadFrame         Code = 3000
	CodeTooLarge         Code = 3001
	CodeHandshakeTimeout Code = 3002
	CodeAuthDenied       Code = 3003
	CodeReplaced         Code = 3004
	CodeDraining         Code = 3005
	CodeHeartbeatTimeout Code = 3006
	CodeSlow             Code = 3007
	CodeKicked           Code = 3008
	CodeOverloaded       Code = 3009
	CodeFlood            Code = 3010
	CodeUnavailable      Code = 3011
	CodeBadRoom          Code = 3012
	CodeUnexpectedOp     Code = 3013
	CodeInternal         Code = 3014
	CodeBadAuth          Code = 3015
	CodeRoomFull         Code = 3016
)

// DisconnectError ends a link that the server closed with a reason (op 6, or a
// WebSocket close code of its own).
type DisconnectError struct {
	Code   Code
	Reason string
	// Retry is how long the server wants the client to wait before it comes
	// back; negative: the same login would end the same way, or drive the
	// user's other device out. Zero: no advice.
	Retry time.Duration
}

func (e *DisconnectError) Error() string {
	s := fmt.Sprintf("client: disconnected by the server: %s (%d)", e.Reason, e.Code)
	if e.Retry > 0 {
		s += fmt.Sprintf(", retry in %v", e.Retry)
	}
	return s
}

// Retryable says whether the same login may succeed later.
func (e *DisconnectError) Retryable() bool { return e.Retry >= 0 }

// advice for a server that gives none: what its code means.
func (c Code) advice() time.Duration {
	switch c {
	case CodeAuthDenied, CodeBadAuth, CodeBadRoom, CodeReplaced, CodeKicked,
		CodeBadFrame, CodeTooLarge, CodeUnexpectedOp:
		return -1
	}
	return 0
}

// parseDisconnect reads the body of op 6: {"code","reason","retry_ms"}.
func parseDisconnect(body []byte) error {
	var d struct {
		Code    Code   `json:"code"`
		Reason  string `json:"reason"`
		RetryMS *int64 `json:"retry_ms"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return fmt.Errorf("%w: disconnect body %.100q", ErrProtocol, body)
	}
	e := &DisconnectError{Code: d.Code, Reason: d.Reason, Retry: d.Code.advice()}
	if d.RetryMS != nil {
		e.Retry = time.Duration(*d.RetryMS) * time.Millisecond
	}
	return e
}
