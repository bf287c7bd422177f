package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/token"
)

// JWT lets in who has a signed token; see [token.Verifier] for what that is.
type JWT struct{ verifier *token.Verifier }

// NewJWT returns a JWT that lets in what v finds good.
func NewJWT(v *token.Verifier) *JWT { return &JWT{v} }

// Authenticate implements logic.Authenticator.
func (j *JWT) Authenticate(_ context.Context, links []logic.Credentials) []logic.Verdict {
	verdicts := make([]logic.Verdict, len(links))
	for i := range links {
		verdicts[i] = j.check(links[i].Body)
	}
	return verdicts
}

func (j *JWT) check(body []byte) (v logic.Verdict) {
	said, err := j.verifier.Check(body)
	switch {
	case errors.Is(err, token.ErrUnknownKey):
		v = logic.Verdict{Err: fmt.Errorf("%w: %w", logic.ErrUnavailable, err), RetryMS: uint32(token.RetryKeys.Milliseconds())}
	case errors.Is(err, token.ErrExpired):
		v.Err = fmt.Errorf("%w: the token has expired", logic.ErrDenied)
	case err != nil:
		v.Err = logic.ErrDenied
	default:
		c := claims(said)
		v.Identity, v.Err = c.identity()
		return v
	}
	v.Identity.Mid = said.Mid
	return v
}
