// Package ws is the WebSocket protocol (RFC 6455) for event loops: the upgrade
// and the frames as pure functions of the bytes at hand. It reads from no
// connection, keeps no buffer and starts no goroutine. A link costs its State,
// 8 bytes without a pointer.
//
// A server calls ParseRequest until it has the head of the upgrade, answers
// with AppendAccept or AppendReject, and then calls State.Next for each frame,
// or Stream.Next for each piece of one if it takes messages longer than it
// wants to hold. All of these readers agree that n == 0 without an error means
// "call again with the same bytes and more behind them", and that the answer is
// the same however the bytes were cut on their way.
//
// No extension is ever negotiated, so reserved bits are faults and nothing is
// inflated.
package ws

import "fmt"

// Opcode says what a frame is (RFC 6455 5.2). The others are reserved.
type Opcode byte

// The opcodes. Those from OpClose on are control frames.
const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xa
)

// Control tells whether op is of a control frame (RFC 6455 5.5: "opcodes where
// the most significant bit of the opcode is 1").
func (op Opcode) Control() bool { return op&0x8 != 0 }

// known tells whether op is not reserved.
func (op Opcode) known() bool { return op <= OpBinary || op >= OpClose && op <= OpPong }

// Close codes (RFC 6455 7.4.1). Applications have 3000 to 4999.
const (
	CodeNormal      uint16 = 1000
	CodeGoingAway   uint16 = 1001
	CodeProtocol    uint16 = 1002 // a frame breaks the RFC
	CodeUnsupported uint16 = 1003 // a kind of data that is not taken
	CodeNone        uint16 = 1005 // no code was sent; never on the wire
	CodeInvalidData uint16 = 1007 // text that is not UTF-8
	CodePolicy      uint16 = 1008
	CodeTooBig      uint16 = 1009
)

// CloseError ends a link whose peer broke the protocol or a limit. These are
// constants of the package: compare Reason, change nothing.
type CloseError struct {
	Code   uint16 // for the Close frame
	Reason string // for the Close frame, the log and the metric's label
}

func (e *CloseError) Error() string { return fmt.Sprintf("ws: close %d %s", e.Code, e.Reason) }

// Faults of frames.
var (
	errReserved    = &CloseError{CodeProtocol, "reserved_bits"}
	errOpcode      = &CloseError{CodeProtocol, "unknown_opcode"}
	errControlFin  = &CloseError{CodeProtocol, "control_fragmented"}
	errControlLen  = &CloseError{CodeProtocol, "control_too_long"}
	errLenMinimal  = &CloseError{CodeProtocol, "length_not_minimal"}
	errLenTop      = &CloseError{CodeProtocol, "length_overflow"}
	errUnmasked    = &CloseError{CodeProtocol, "unmasked"}
	errOrphan      = &CloseError{CodeProtocol, "orphan_continuation"}
	errInterleaved = &CloseError{CodeProtocol, "interleaved"}
	errAfterClose  = &CloseError{CodeProtocol, "after_close"}
	errCloseLen    = &CloseError{CodeProtocol, "close_payload"}
	errCloseCode   = &CloseError{CodeProtocol, "close_code"}
	errTextUTF8    = &CloseError{CodeInvalidData, "text_utf8"}
	errCloseUTF8   = &CloseError{CodeInvalidData, "close_utf8"}
	errTooBig      = &CloseError{CodeTooBig, "message_too_large"}
	errFragments   = &CloseError{CodePolicy, "too_many_fragments"}
)
