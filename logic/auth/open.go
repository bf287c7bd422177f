package auth

import (
	"context"
	"fmt"

	"github.com/oortim/oort/logic"
)

// Open trusts what links say of themselves: goim's JSON
// {"mid","key","room_id","platform","accepts"}; other fields are ignored. It
// is for trials, and for gateways that only trusted clients reach.
type Open struct{}

// Authenticate implements logic.Authenticator.
func (Open) Authenticate(_ context.Context, links []logic.Credentials) []logic.Verdict {
	verdicts := make([]logic.Verdict, len(links))
	for i := range links {
		verdicts[i] = open(links[i].Body)
	}
	return verdicts
}

func open(body []byte) (v logic.Verdict) {
	var c claims
	if err := codec.Unmarshal(body, &c); err != nil {
		// sonic's own text quotes the body.
		v.Err = fmt.Errorf("%w: not goim's JSON", logic.ErrMalformed)
		return v
	}
	v.Identity, v.Err = c.identity()
	return v
}
