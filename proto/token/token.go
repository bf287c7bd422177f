// Package token checks the signed tokens (JWT) that links show at the door. Logic
// does so to learn who a link is, and a comet, where it is told to, to turn away
// at its own cost what logic would refuse.
//
// No error of this package contains a part of a body or token.
package token

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bytedance/sonic"
	"github.com/golang-jwt/jwt/v5"
)

// codec copies strings: a key that pointed into the body of its frame would
// keep all of it alive as long as the session.
var codec = sonic.Config{CopyString: true, ValidateString: true}.Froze()

// Refusals of Check.
var (
	// ErrDenied: the token is not good.
	ErrDenied = errors.New("denied")
	// ErrExpired: it is signed rightly, and out of date. It wraps ErrDenied.
	ErrExpired = fmt.Errorf("%w: the token has expired", ErrDenied)
	// ErrUnknownKey: the token's key is not known, and may be soon: try again
	// after RetryKeys.
	ErrUnknownKey = errors.New("the token's key is not known yet")
)

// RetryKeys is when a link whose key is being asked for should come back.
const RetryKeys = time.Second

// Config says which tokens are good.
type Config struct {
	// Algorithms that a token may be signed with, HS256 to HS512, RS…, PS…,
	// ES… or EdDSA; all of one kind, that of the key. Required: what a token
	// says of itself decides nothing.
	Algorithms []string
	// Key is a PEM public key, or for HS… the secret, of at least 32 bytes
	// (white space at its ends does not count).
	Key []byte
	// Keys are those of a login service that changes them, in place of Key and
	// Algorithms. A token names its key (kid); one that names none is good if there
	// is only one key for its algorithm. Keys stay the caller's to close.
	Keys *JWKS
	// Audience and Issuer that a token must name; empty: any.
	Audience, Issuer string
	// Leeway for clocks that differ. Zero means 5 s.
	Leeway time.Duration
	// Clock returns the time. Nil means time.Now.
	Clock func() time.Time
}

// Verifier checks tokens. The body is the token, or JSON
// {"token":…,"key":…,"room_id":…,"platform":…,"accepts":…}; what the token
// claims wins over what stands beside it, and mid comes from the token only.
// exp is required; nbf is checked if it is there. "rooms" among the claims, a
// list of patterns (ident.RoomPattern), is which rooms the link may join, also
// later; without it that is any.
//
// A key that stands beside the token is the client's own word: where taking
// over another's key must be impossible, put it into the token.
//
// Safe for use from several goroutines.
type Verifier struct {
	parser *jwt.Parser
	keys   func() keySet
	missed func() (soon bool) // what to do about a key that is not known
}

// Claims are what a good token says, and what stands beside it. No name among
// them has been checked.
type Claims struct {
	Mid      int64
	Key      string
	Room     string
	Platform string
	Accepts  []int32
	Rooms    *[]string // nil: any
}

// maxToken is the longest token, in bytes.
const maxToken = 8 << 10

// New checks cfg. The error is one line and contains nothing of the key.
func New(cfg Config) (*Verifier, error) {
	v := new(Verifier)
	if cfg.Keys != nil {
		cfg.Algorithms = cfg.Keys.cfg.Algorithms
		v.keys, v.missed = cfg.Keys.set, cfg.Keys.missed
	} else {
		key, size, err := parseKey(cfg.Algorithms, cfg.Key)
		if err != nil {
			return nil, err
		}
		one := keySet{{key: key, algorithms: cfg.Algorithms, size: size}}
		v.keys = func() keySet { return one }
	}
	v.parser = jwt.NewParser(cfg.options()...)
	return v, nil
}

func (cfg *Config) options() []jwt.ParserOption {
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
	return options
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
	// Rooms that the link may join, as patterns; nil: any.
	Rooms *[]string `json:"rooms"`
}

// Check reads the token in body. An error is a refusal; then only Mid may be
// set, and only if the signature is good: what a forged token claims is nobody's
// word, and must not be held against the user that it names.
func (v *Verifier) Check(body []byte) (Claims, error) {
	beside := bodyJSON{Token: string(bytes.TrimSpace(body))}
	if bytes.HasPrefix(body, []byte("{")) {
		beside.Token = ""
		if err := codec.Unmarshal(body, &beside); err != nil {
			beside.Token = "" // refused as any bad token is
		}
	}
	var token tokenJSON
	if signed, err := v.verify(beside.Token, &token); err != nil && signed {
		return Claims{Mid: token.Mid}, err
	} else if err != nil {
		return Claims{}, err
	}
	return Claims{
		Mid: token.Mid, Key: first(token.Key, beside.Key), Room: first(token.Room, beside.Room),
		Platform: first(token.Platform, beside.Platform), Accepts: first(token.Accepts, beside.Accepts),
		Rooms: token.Rooms,
	}, nil
}

// verify checks a token. Every refusal has the same words, but that of a token
// that is signed rightly and out of date, and costs a check of a signature, so
// that neither words nor time tell how far a forgery got. (That a key id is not
// known is told, for a client with a fresh token must come back; key ids are
// public.) With a refusal it says whether the signature is good all the same.
func (v *Verifier) verify(token string, claims *tokenJSON) (signed bool, err error) {
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		token = "" // the decoder skips line breaks, and a token has one spelling
	}
	keys := v.keys()
	looked, unknown := false, false // whether the parser came as far as the signature
	_, err = v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if _, extended := t.Header["crit"]; extended {
			return nil, errNoKey // RFC 7515, 4.1.11: none of the extensions is understood
		}
		key, known := v.choose(keys, t)
		if unknown = !known; key == nil {
			return nil, errNoKey
		}
		looked = true
		return key.key, nil
	})
	if err == nil {
		return true, nil
	}
	if !looked {
		keys[0].waste()
	}
	signed = errors.Is(err, jwt.ErrTokenInvalidClaims) // claims are looked at behind the signature
	switch {
	case unknown && v.missed():
		return false, ErrUnknownKey
	case signed && errors.Is(err, jwt.ErrTokenExpired):
		return true, ErrExpired
	}
	return signed, ErrDenied
}

// errNoKey: no key goes with the token.
var errNoKey = errors.New("no key")

// choose returns the key to check a token with, nil if there is none, and
// whether the key that the token names is known.
func (v *Verifier) choose(keys keySet, t *jwt.Token) (key *jwk, known bool) {
	kid, named := t.Header["kid"]
	id, ok := kid.(string)
	switch {
	case v.missed == nil: // one key, whatever it is called
		return &keys[0], true
	case !named:
		return keys.only(t.Method.Alg()), true
	case !ok:
		return nil, true
	}
	if key = keys.find(id); key == nil {
		return nil, false
	}
	if !slices.Contains(key.algorithms, t.Method.Alg()) {
		return nil, true
	}
	return key, true
}

// waste takes as long as any check of a signature.
func (k *jwk) waste() {
	_ = jwt.GetSigningMethod(k.algorithms[0]).Verify("waste", bytes.Repeat([]byte{1}, k.size), k.key)
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
