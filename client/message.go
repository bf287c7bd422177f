package client

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/oortim/oort/proto/frame"
)

// Message is one push, or a gap marker between pushes.
type Message struct {
	Op   int32
	Seq  uint32
	Body []byte // the receiver's to keep, unless Options.Handle is set
	// Gap is set on a gap marker (op 18): messages were dropped here. Only
	// links whose Options.Accepts name op 18 are told.
	Gap *Gap
}

// Gap says that the server dropped messages of one room for this link.
type Gap struct {
	Room    string `json:"room"`
	Lane    string `json:"lane"`
	Skipped int    `json:"skipped"`
}

// isMessage tells what is handed to the receiver from replies and from ops
// that this client does not know yet.
func isMessage(op frame.Op) bool { return op >= frame.MinPushOp || op == frame.OpGap }

func toMessage(f frame.Frame, keep bool) (Message, error) {
	m := Message{Op: int32(f.Op), Seq: f.Seq, Body: f.Body}
	if f.Op == frame.OpGap {
		m.Gap = new(Gap)
		if err := json.Unmarshal(f.Body, m.Gap); err != nil {
			return m, fmt.Errorf("%w: gap marker %.100q", ErrProtocol, f.Body)
		}
	}
	if keep {
		m.Body = slices.Clone(f.Body)
	}
	return m, nil
}
