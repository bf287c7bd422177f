package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"unicode/utf8"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/webhook"
)

// Callback asks a service of the operator who a link is. It posts
// {"body" or "body_base64","remote_ip","origin"}: body if the auth frame's body
// is text. The answers:
//
//	200       goim's claims {"mid","key","room_id","platform","accepts"}, and
//	          "rooms" if the link may join only some
//	401, 403  denied
//	others    unavailable, and so is no answer in time; the client tries again
type Callback struct{ client *webhook.Client }

// NewCallback returns a Callback that posts by client. How many links are
// asked for at once, and for how long, is the client's.
func NewCallback(client *webhook.Client) *Callback { return &Callback{client: client} }

// question is what is posted.
type question struct {
	Body     string `json:"body,omitempty"`
	Base64   []byte `json:"body_base64,omitempty"`
	RemoteIP string `json:"remote_ip"`
	Origin   string `json:"origin"`
}

// Authenticate implements logic.Authenticator. It asks for all links at the
// same time.
func (c *Callback) Authenticate(ctx context.Context, links []logic.Credentials) []logic.Verdict {
	verdicts := make([]logic.Verdict, len(links))
	var wg sync.WaitGroup
	for i := range links {
		wg.Go(func() { verdicts[i] = c.ask(ctx, &links[i]) })
	}
	wg.Wait()
	return verdicts
}

func (c *Callback) ask(ctx context.Context, link *logic.Credentials) (v logic.Verdict) {
	q := question{RemoteIP: link.RemoteIP, Origin: link.Origin}
	if utf8.Valid(link.Body) {
		q.Body = string(link.Body)
	} else {
		q.Base64 = link.Body
	}
	body, err := codec.Marshal(q)
	if err != nil {
		v.Err = fmt.Errorf("%w: body", logic.ErrMalformed)
		return v
	}
	status, reply, err := c.client.Post(ctx, body)
	if err != nil {
		v.Err = fmt.Errorf("%w: authentication: %w", logic.ErrUnavailable, err)
		return v
	}
	v.Identity, v.Err = answer(status, reply)
	return v
}

// errAnswer: the service's claims are no claims; trying again may help, when
// the service is mended.
var errAnswer = errors.New("the service's answer makes no sense")

func answer(status int, reply []byte) (logic.Identity, error) {
	switch status {
	case http.StatusOK:
		var c claims
		if err := codec.Unmarshal(reply, &c); err != nil {
			return logic.Identity{}, fmt.Errorf("%w: authentication: %w", logic.ErrUnavailable, errAnswer)
		}
		id, err := c.identity()
		switch {
		case errors.Is(err, ErrRoom):
			return logic.Identity{}, err
		case err != nil:
			return logic.Identity{}, fmt.Errorf("%w: authentication: %w", logic.ErrUnavailable, errAnswer)
		}
		return id, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return logic.Identity{}, logic.ErrDenied
	}
	return logic.Identity{}, fmt.Errorf("%w: authentication: status %d", logic.ErrUnavailable, status)
}
