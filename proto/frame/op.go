package frame

import "strconv"

// Op says what a frame is. Its numbers are goim's, where goim has one.
type Op uint32

// The protocol's own ops. C and S say who sends it, client or server.
const (
	OpHeartbeat      Op = 2 // C, any body, which is ignored
	OpHeartbeatReply Op = 3 // S, the number of links in the room, i32

	OpMessage      Op = 4 // C, a message for the application behind logic
	OpMessageReply Op = 5 // S, its answer

	OpDisconnect Op = 6 // S, why it closes, JSON; the last frame

	OpAuth      Op = 7 // C, the first frame
	OpAuthReply Op = 8 // S

	OpBatch Op = 9 // S, WebSocket only: the body is whole frames

	OpChangeRoom      Op = 12 // C, the new room; empty leaves
	OpChangeRoomReply Op = 13 // S

	OpAddAccepts         Op = 14 // C, ops separated by commas
	OpAddAcceptsReply    Op = 15 // S
	OpRemoveAccepts      Op = 16 // C, ops separated by commas
	OpRemoveAcceptsReply Op = 17 // S

	OpGap Op = 18 // S, what was skipped, JSON; only where accepts name it
)

// MinPushOp is the lowest op that a push may have; those below are, or may
// become, the protocol's own.
const MinPushOp Op = 100

// String is the op's name in logs and metrics, and the number of a push.
func (op Op) String() string {
	switch op {
	case OpHeartbeat:
		return "heartbeat"
	case OpHeartbeatReply:
		return "heartbeat_reply"
	case OpMessage:
		return "message"
	case OpMessageReply:
		return "message_reply"
	case OpDisconnect:
		return "disconnect"
	case OpAuth:
		return "auth"
	case OpAuthReply:
		return "auth_reply"
	case OpBatch:
		return "batch"
	case OpChangeRoom:
		return "change_room"
	case OpChangeRoomReply:
		return "change_room_reply"
	case OpAddAccepts:
		return "add_accepts"
	case OpAddAcceptsReply:
		return "add_accepts_reply"
	case OpRemoveAccepts:
		return "remove_accepts"
	case OpRemoveAcceptsReply:
		return "remove_accepts_reply"
	case OpGap:
		return "gap"
	}
	return strconv.FormatUint(uint64(op), 10)
}
