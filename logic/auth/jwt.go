package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oortim/oort/logic"
)

// JWTConfig says which tokens are good.
type JWTConfig struct {
	// Algorithms that a token may be signed with, HS256 to HS512, RS…, PS…,
	// ES… or EdDSA; all of one kind, that of the key. Required: what a token
	// says of itself decides nothing.
	Algorithms []string
	// Key is a PEM public key, or for HS… the secret, of at least 32 bytes
	// (white space at its ends does not count).
	Key []byte
	// Audience and Issuer that a token must name; empty: any.
	Audience, Issuer string
	// Leeway for clocks that differ. Zero means 5 s.
	Leeway time.Duration
	// Clock returns the time. Nil means time.Now.
	Clock func() time.Time
}

// JWT lets in who has a signed token. The body is the token, or JSON
// {"token":…,"key":…,"room_id":…,"platform":…,"accepts":…}; what the token
// claims wins over what stands beside it, and mid comes from the token only.
// exp is required; nbf is checked if it is there.
//
// A key that stands beside the token is the client's own word: where taking
// over another's key must be impossible, put it into the token.
type JWT struct {
	parser *jwt.Parser
	key    any
	method jwt.SigningMethod
	waste  []byte // a wrong signature that takes as long as any
}

// maxToken is the longest token, in bytes.
const maxToken = 8 << 10

// NewJWT checks cfg. The error is one line and contains nothing of the key.
func NewJWT(cfg JWTConfig) (*JWT, error) {
	key, size, err := parseKey(cfg.Algorithms, cfg.Key)
	if err != nil {
		return nil, err
	}
	if cfg.Leeway == 0 {
		cfg.Leeway = 5 * time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(cfg.Algorithms), jwt.WithExpirationRequired(),
		jwt.WithLeeway(cfg.Leeway), jwt.WithTimeFunc(cfg.Clock), jwt.WithStrictDecoding(),
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	return &JWT{
		parser: jwt.NewParser(options...), key: key,
		method: jwt.GetSigningMethod(cfg.Algorithms[0]), waste: bytes.Repeat([]byte{1}, size),
	}, nil
}

// bodyJSON is a body that is not the bare token; nil: not there.
type bodyJSON struct {
	Token    string   `json:"token"`
	Key      *string  `json:"key"`
	Room     *string  `json:"room_id"`
	Platform *string  `json:"platform"`
	Accepts  *[]int32 `json:"accepts"`
}

// tokenJSON is what a token claims.
type tokenJSON struct {
	jwt.RegisteredClaims
	Mid      int64    `json:"mid"`
	Key      *string  `json:"key"`
	Room     *string  `json:"room_id"`
	Platform *string  `json:"platform"`
	Accepts  *[]int32 `json:"accepts"`
}

// Authenticate implements logic.Authenticator.
func (j *JWT) Authenticate(_ context.Context, links []logic.Credentials) []logic.Verdict {
	verdicts := make([]logic.Verdict, len(links))
	for i := range links {
		verdicts[i] = j.check(links[i].Body)
	}
	return verdicts
}

func (j *JWT) check(body []byte) (v logic.Verdict) {
	beside := bodyJSON{Token: string(bytes.TrimSpace(body))}
	if bytes.HasPrefix(body, []byte("{")) {
		beside.Token = ""
		if err := codec.Unmarshal(body, &beside); err != nil {
			beside.Token = "" // refused as any bad token is
		}
	}
	var token tokenJSON
	err := j.verify(beside.Token, &token)
	if err != nil {
		return logic.Verdict{Err: err, Identity: logic.Identity{Mid: token.Mid}}
	}
	c := claims{
		Mid: token.Mid, Key: first(token.Key, beside.Key), Room: first(token.Room, beside.Room),
		Platform: first(token.Platform, beside.Platform), Accepts: first(token.Accepts, beside.Accepts),
	}
	v.Identity, v.Err = c.identity()
	return v
}

// verify checks a token. Every refusal has the same words, but that of a token
// that is signed rightly and out of date, and costs a check of a signature, so
// that neither words nor time tell how far a forgery got.
func (j *JWT) verify(token string, claims *tokenJSON) error {
	if len(token) > maxToken {
		token = ""
	}
	looked := false // whether the parser came as far as the signature
	_, err := j.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) {
		looked = true
		return j.key, nil
	})
	if err == nil {
		return nil
	}
	if !looked {
		_ = j.method.Verify("waste", j.waste, j.key)
	}
	if errors.Is(err, jwt.ErrTokenInvalidClaims) && errors.Is(err, jwt.ErrTokenExpired) {
		return fmt.Errorf("%w: the token has expired", logic.ErrDenied)
	}
	return logic.ErrDenied
}

// first returns what the first pointer that is set points to.
func first[T any](values ...*T) (value T) {
	for _, v := range values {
		if v != nil {
			return *v
		}
	}
	return value
}
