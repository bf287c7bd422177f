package comet

import (
	"errors"
	"strconv"

	"github.com/oortim/oort/comet/link"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// Reason says why a link ended. It is the metric label, the word in the log and
// what the client is told (op 6, and the code of the WebSocket close frame).
type Reason uint8

// The reasons. Names and codes are part of the client protocol
// (docs/protocol.md): append, never renumber.
const (
	ReasonNone             Reason = iota
	ReasonBadFrame                // bytes that are no frame, or a batch that does not add up
	ReasonTooLarge                // a frame, message or head over its limit
	ReasonHandshakeTimeout        // not authenticated in time
	ReasonAuthDenied              // credentials refused
	ReasonReplaced                // a later login of the same key
	ReasonDraining                // this comet is being emptied
	ReasonHeartbeatTimeout        // nothing heard for too long
	ReasonSlow                    // did not read in time
	ReasonKicked                  // by the API
	ReasonOverloaded              // a limit of this comet
	ReasonFlood                   // more frames than the link is allowed
	ReasonUnavailable             // logic cannot answer
	ReasonBadRoom                 // no such room name
	ReasonUnexpectedOp            // an op that a client may not send now
	ReasonInternal                // a defect here: a panic, an error of the system
	ReasonBadAuth                 // an auth body that makes no sense
	ReasonRoomFull                // the room has as many members as this comet lets it have
	// Reasons below are not told: there is nobody to tell, or no frame yet to
	// tell it with.
	ReasonPeer        // the client closed
	ReasonReset       // the connection broke
	ReasonBadUpgrade  // no proper WebSocket handshake
	ReasonBadWS       // RFC 6455 was broken
	ReasonText        // a WebSocket text message
	ReasonBadProxy    // no proper PROXY header, or from a source not listed
	ReasonEarlyBytes  // too many bytes before authentication
	ReasonSourceLimit // too many links or connects from one address
	ReasonStopped     // this comet stopped
	reasonCount
)

var reasons = [reasonCount]struct {
	name string
	code uint16 // of op 6; 0: not told
	ws   uint16 // WebSocket close code where it is not the same
}{
	ReasonNone:             {name: "none"},
	ReasonBadFrame:         {"bad_frame", 3000, 1002},
	ReasonTooLarge:         {"too_large", 3001, 1009},
	ReasonHandshakeTimeout: {name: "handshake_timeout", code: 3002},
	ReasonAuthDenied:       {name: "auth_denied", code: 3003},
	ReasonReplaced:         {name: "replaced", code: 3004},
	ReasonDraining:         {name: "draining", code: 3005},
	ReasonHeartbeatTimeout: {name: "heartbeat_timeout", code: 3006},
	ReasonSlow:             {name: "slow", code: 3007},
	ReasonKicked:           {name: "kicked", code: 3008},
	ReasonOverloaded:       {name: "overloaded", code: 3009},
	ReasonFlood:            {name: "flood", code: 3010},
	ReasonUnavailable:      {name: "unavailable", code: 3011},
	ReasonBadRoom:          {name: "bad_room", code: 3012},
	ReasonUnexpectedOp:     {name: "unexpected_op", code: 3013},
	ReasonInternal:         {name: "internal", code: 3014},
	ReasonBadAuth:          {name: "bad_auth", code: 3015},
	ReasonRoomFull:         {name: "room_full", code: 3016},
	ReasonPeer:             {name: "peer"},
	ReasonReset:            {name: "reset"},
	ReasonBadUpgrade:       {name: "bad_upgrade"},
	ReasonBadWS:            {name: "bad_websocket", ws: 1002},
	ReasonText:             {name: "text_message", ws: 1003},
	ReasonBadProxy:         {name: "bad_proxy"},
	ReasonEarlyBytes:       {name: "early_bytes", ws: 1008},
	ReasonSourceLimit:      {name: "source_limit"},
	ReasonStopped:          {name: "stopped"},
}

// String is the reason's name.
func (r Reason) String() string {
	if r < reasonCount {
		return reasons[r].name
	}
	return "reason_" + strconv.Itoa(int(r))
}

// ended makes a Reason the error that poller's Close carries back to OnClose.
type ended Reason

func (e ended) Error() string { return "comet: " + Reason(e).String() }

// closeCode is the code of the WebSocket close frame; 0: none is sent.
func (r Reason) closeCode() uint16 {
	if c := reasons[r].ws; c != 0 {
		return c
	}
	return reasons[r].code
}

// appendNotice appends the frame of op 6, if r is a reason that is told.
// retryMS is advice on when to come back; negative: do not.
func (r Reason) appendNotice(dst []byte, retryMS int) []byte {
	code := reasons[r].code
	if code == 0 {
		return dst
	}
	body := append([]byte(`{"code":`), strconv.Itoa(int(code))...)
	body = append(body, `,"reason":"`...)
	body = append(body, r.String()...)
	body = append(body, `","retry_ms":`...)
	body = append(strconv.AppendInt(body, int64(retryMS), 10), '}')
	return frame.Append(dst, frame.OpDisconnect, 0, body)
}

// reasonOf names what an engine told OnClose.
func reasonOf(err error) Reason {
	var own ended
	var panicked *poller.PanicError
	switch {
	case errors.As(err, &own):
		return Reason(own)
	case errors.Is(err, poller.ErrPeerClosed):
		return ReasonPeer
	case errors.Is(err, poller.ErrStopped):
		return ReasonStopped
	case errors.Is(err, poller.ErrRestTooLarge):
		return ReasonTooLarge
	case errors.As(err, &panicked):
		return ReasonInternal
	}
	return ReasonReset
}

// badInput names an error of the decoder, and the WebSocket close code to use
// where the decoder knows a better one than the reason's.
func badInput(err error) (Reason, uint16) {
	var closing *ws.CloseError
	switch {
	case errors.As(err, &closing):
		if closing.Code == 1009 {
			return ReasonTooLarge, closing.Code
		}
		return ReasonBadWS, closing.Code
	case errors.Is(err, link.ErrText):
		return ReasonText, 0
	case errors.Is(err, link.ErrProxy):
		return ReasonBadProxy, 0
	case errors.Is(err, frame.ErrTooLarge):
		return ReasonTooLarge, 0
	}
	return ReasonBadFrame, 0
}
