package webhook

import (
	"context"
	"fmt"
	"net/http"

	"github.com/bytedance/sonic"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// Receiver hands clients' messages (op 4) to a service: it posts
// {"server","mid","key","room","seq","body_base64"}. The body of a 200 is the
// body of the reply; 204 is an empty one.
type Receiver struct{ client *Client }

// NewReceiver returns a Receiver that posts by client.
func NewReceiver(client *Client) *Receiver { return &Receiver{client: client} }

// message is what is posted.
type message struct {
	Server ident.Server `json:"server"`
	Mid    int64        `json:"mid"`
	Key    ident.Key    `json:"key"`
	Room   ident.Room   `json:"room"`
	Seq    uint32       `json:"seq"`
	Body   []byte       `json:"body_base64"`
}

// Receive implements logic.Receiver.
func (r *Receiver) Receive(ctx context.Context, m logic.Message) ([]byte, error) {
	body, err := sonic.Marshal(message(m))
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	status, reply, err := r.client.Post(ctx, body)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusOK:
		return reply, nil
	case status == http.StatusNoContent:
		return nil, nil
	}
	return nil, fmt.Errorf("%w: status %d", ErrReply, status)
}
