package token_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/oortim/oort/proto/token"
)

// signer signs tokens under a name.
type signer struct {
	kid     string
	private ed25519.PrivateKey
}

func newSigner(kid string) signer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return signer{kid, private}
}

func (s signer) token(t *testing.T, header ...map[string]any) []byte {
	return []byte(sign(t, "EdDSA", s.private, claims(nil), append([]map[string]any{{"kid": s.kid}}, header...)...))
}

func (s signer) jwk() map[string]any {
	x := base64.RawURLEncoding.EncodeToString(s.private.Public().(ed25519.PublicKey))
	return map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": s.kid, "x": x}
}

func setOf(signers ...signer) []byte {
	keys := []map[string]any{}
	for _, s := range signers {
		keys = append(keys, s.jwk())
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	must(err)
	return text
}

// source is a file of keys that a login service changes.
type source struct {
	t    *testing.T
	path string
}

func newSource(t *testing.T, signers ...signer) *source {
	s := &source{t, filepath.Join(t.TempDir(), "keys.json")}
	s.set(signers...)
	return s
}

// set replaces the file at once, as whoever changes a file that is read must.
func (s *source) set(signers ...signer) {
	s.t.Helper()
	if err := os.WriteFile(s.path+".new", setOf(signers...), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.path+".new", s.path); err != nil {
		s.t.Fatal(err)
	}
}

// verifier of the source's keys. Unless cfg says otherwise it is asked only
// because of keys that are not known.
func (s *source) verifier(cfg token.JWKSConfig) *token.Verifier {
	s.t.Helper()
	cfg.Source, cfg.Algorithms, cfg.Log = s.path, []string{"EdDSA"}, slog.New(slog.DiscardHandler)
	if cfg.Refresh == 0 {
		cfg.Refresh = time.Hour
	}
	keys, err := token.OpenJWKS(context.Background(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(keys.Close)
	return open(s.t, func(c *token.Config) { c.Algorithms, c.Key, c.Keys = nil, nil, keys })
}

// soon waits until a token is judged so.
func soon(t *testing.T, v *token.Verifier, tok []byte, want error) {
	t.Helper()
	var err error
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		if _, err = v.Check(tok); errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("after 10 s: %v, want %v", err, want)
}

// A key is announced, used, and withdrawn, as login services do, and nobody who
// has a token of either is turned away for good while both are published.
func TestRotation(t *testing.T) {
	t.Parallel()
	old, fresh := newSigner("old"), newSigner("fresh")
	s := newSource(t, old)
	v := s.verifier(token.JWKSConfig{Unknown: time.Nanosecond})
	if _, err := v.Check(old.token(t)); err != nil {
		t.Fatal(err)
	}
	// A service that signs before it publishes: its tokens are to come back.
	if c, err := v.Check(fresh.token(t)); !errors.Is(err, token.ErrUnknownKey) || errors.Is(err, token.ErrDenied) || c.Mid != 0 {
		t.Fatalf("a key not published yet: %+v, %v", c, err)
	}
	s.set(old, fresh)
	soon(t, v, fresh.token(t), nil)
	if _, err := v.Check(old.token(t)); err != nil {
		t.Fatalf("both are published: %v", err)
	}
	s.set(fresh)
	soon(t, v, newSigner("nobody").token(t), token.ErrUnknownKey) // has the file read
	soon(t, v, old.token(t), token.ErrUnknownKey)                 // is asked for again, and not good
	if _, err := v.Check(fresh.token(t)); err != nil {
		t.Fatal(err)
	}
}

// What is withdrawn goes by the next refresh, without anybody asking.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	old, fresh := newSigner("old"), newSigner("fresh")
	s := newSource(t, old)
	v := s.verifier(token.JWKSConfig{Refresh: time.Millisecond, Unknown: time.Hour})
	s.set(fresh)
	soon(t, v, fresh.token(t), nil)
	if c, err := v.Check(old.token(t)); err == nil || c.Mid != 0 {
		t.Errorf("let in: %+v", c)
	}
	soon(t, v, old.token(t), token.ErrDenied) // while the file is being read the key may be known soon
}

// Who makes up names of keys cannot have the source asked for each.
func TestUnknownKeysAreAskedForRarely(t *testing.T) {
	t.Parallel()
	s := newSource(t, newSigner("a"))
	v := s.verifier(token.JWKSConfig{Unknown: time.Hour})
	fresh := newSigner("b")
	s.set(newSigner("a"), fresh)
	for range 100 {
		if _, err := v.Check(fresh.token(t)); !errors.Is(err, token.ErrDenied) {
			t.Fatalf("the source has been asked within the hour, and yet: %v", err)
		}
	}
}

// Which key a token is checked with.
func TestWhichKey(t *testing.T) {
	t.Parallel()
	a, b := newSigner("a"), newSigner("b")
	one := newSource(t, a).verifier(token.JWKSConfig{Unknown: time.Hour})
	two := newSource(t, a, b).verifier(token.JWKSConfig{Unknown: time.Hour})
	anonymous := newSource(t, signer{"", a.private}, b).verifier(token.JWKSConfig{Unknown: time.Hour})
	for name, row := range map[string]struct {
		v    *token.Verifier
		tok  []byte
		good bool
	}{
		"its own":                     {two, a.token(t), true},
		"the other's name":            {two, signer{"b", a.private}.token(t), false},
		"a stranger under its name":   {two, newSigner("a").token(t), false},
		"unknown":                     {two, signer{"c", a.private}.token(t), false},
		"in other letters":            {two, signer{"A", a.private}.token(t), false},
		"a number":                    {two, a.token(t, map[string]any{"kid": 5}), false},
		"null":                        {two, a.token(t, map[string]any{"kid": nil}), false},
		"none of one":                 {one, []byte(sign(t, "EdDSA", a.private, claims(nil))), true},
		"none of two":                 {two, []byte(sign(t, "EdDSA", a.private, claims(nil))), false},
		"empty, and a key that is so": {anonymous, signer{"", a.private}.token(t), true},
		"empty, of another":           {anonymous, signer{"", b.private}.token(t), false},
		"critical":                    {two, a.token(t, map[string]any{"crit": []string{"kid"}}), false},
	} {
		c, err := row.v.Check(row.tok)
		if row.good && err != nil || row.good != (c.Mid == 7) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if !row.good {
			refused(t, name, c, err)
		}
	}
}
