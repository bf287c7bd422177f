package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/proto/token"
)

// signer has a private key and the public one as a JSON Web Key.
type signer struct {
	id, alg string
	private any
	public  map[string]any
}

func newSigner(t *testing.T, id, alg string) *signer {
	t.Helper()
	private, _ := keys(t, alg)
	s := &signer{id: id, alg: alg, private: private, public: map[string]any{"kid": id, "use": "sig"}}
	b64 := base64.RawURLEncoding.EncodeToString
	switch k := private.(type) {
	case *rsa.PrivateKey:
		s.public["kty"], s.public["n"] = "RSA", b64(k.N.Bytes())
		s.public["e"] = b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PrivateKey:
		point, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := len(point) / 2
		s.public["kty"], s.public["crv"] = "EC", k.Curve.Params().Name
		s.public["x"], s.public["y"] = b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PrivateKey:
		s.public["kty"], s.public["crv"], s.public["x"] = "OKP", "Ed25519", b64(k.Public().(ed25519.PublicKey))
	}
	return s
}

// with returns s with other words in its public key.
func (s *signer) with(words map[string]any) *signer {
	c := *s
	c.public = map[string]any{}
	for _, m := range []map[string]any{s.public, words} {
		for k, v := range m {
			if c.public[k] = v; v == nil {
				delete(c.public, k)
			}
		}
	}
	return &c
}

// token signs claims; the header names the key unless it has no id.
func (s *signer) token(t *testing.T, change ...jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(s.alg), good(change...))
	if s.id != "" {
		token.Header["kid"] = s.id
	}
	text, err := token.SignedString(s.private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func setOf(t *testing.T, signers ...*signer) string {
	t.Helper()
	public := []map[string]any{}
	for _, s := range signers {
		public = append(public, s.public)
	}
	text, err := json.Marshal(map[string]any{"keys": public})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// source is a login service's set of keys.
type source struct {
	*httptest.Server
	text  atomic.Pointer[string] // nil: it answers 500
	asked atomic.Int32
}

func newSource(t *testing.T, signers ...*signer) *source {
	t.Helper()
	s := new(source)
	s.set(setOf(t, signers...))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer s.asked.Add(1)
		text := s.text.Load()
		if text == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(*text))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *source) set(text string) { s.text.Store(&text) }

func openJWKS(t *testing.T, cfg token.JWKSConfig) *auth.JWT {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	if cfg.Algorithms == nil {
		cfg.Algorithms = []string{"RS256", "ES256", "ES384", "EdDSA"}
	}
	keys, err := token.OpenJWKS(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	j, err := newJWTOf(token.Config{Keys: keys, Audience: "oort", Issuer: "login", Clock: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// until waits for a verdict.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(limit) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(time.Millisecond) // a poll's pause
	}
}

func TestJWKS(t *testing.T) {
	r, e, e3, d := newSigner(t, "r", "RS256"), newSigner(t, "e", "ES256"), newSigner(t, "e3", "ES384"), newSigner(t, "d", "EdDSA")
	j := openJWKS(t, token.JWKSConfig{Source: newSource(t, r, e, e3, d).URL})
	for _, s := range []*signer{r, e, e3, d} {
		if v := ask(j, s.token(t)); v.Err != nil || v.Identity.Mid != 7 {
			t.Errorf("%s: %+v", s.alg, v)
		}
		bare := *s
		bare.id = ""
		if v := ask(j, bare.token(t)); v.Err != nil {
			t.Errorf("%s without kid, one key of its kind: %v", s.alg, v.Err)
		}
		other := newSigner(t, s.id, s.alg)
		if v := ask(j, other.token(t)); !errors.Is(v.Err, logic.ErrDenied) {
			t.Errorf("%s by a stranger under a known kid: %v", s.alg, v.Err)
		}
	}
	cross := *e
	cross.id = "r"
	if v := ask(j, cross.token(t)); !errors.Is(v.Err, logic.ErrDenied) {
		t.Errorf("an ES256 token that names the RSA key: %v", v.Err)
	}
	rs512 := *r
	rs512.alg = "RS512"
	if v := ask(j, rs512.token(t)); !errors.Is(v.Err, logic.ErrDenied) {
		t.Errorf("an algorithm that is not configured: %v", v.Err)
	}
	if v := ask(j, sign(t, "HS256", []byte(setOf(t, r)), good())); !errors.Is(v.Err, logic.ErrDenied) {
		t.Errorf("the public set as a secret: %v", v.Err)
	}
}

// TestJWKSAmbiguous: a token without kid is checked with the only key that can
// be meant, or refused.
func TestJWKSAmbiguous(t *testing.T) {
	a, b := newSigner(t, "a", "ES256"), newSigner(t, "b", "ES256")
	j := openJWKS(t, token.JWKSConfig{Source: newSource(t, a, b).URL})
	bare := *a
	bare.id = ""
	if v := ask(j, bare.token(t)); !errors.Is(v.Err, logic.ErrDenied) {
		t.Errorf("two keys may be meant: %v", v.Err)
	}
}

// TestRotation: a token of a new key is told to come back, has the source asked,
// and is let in then; the old key goes when the source leaves it out.
func TestRotation(t *testing.T) {
	old, fresh := newSigner(t, "old", "ES256"), newSigner(t, "new", "ES256")
	s := newSource(t, old)
	j := openJWKS(t, token.JWKSConfig{Source: s.URL, Refresh: time.Hour, Unknown: time.Nanosecond})
	s.set(setOf(t, fresh))
	v := ask(j, fresh.token(t))
	if !errors.Is(v.Err, logic.ErrUnavailable) || v.RetryMS == 0 {
		t.Errorf("before the source was asked: %+v", v)
	}
	until(t, "the new key is good", func() bool { return ask(j, fresh.token(t)).Err == nil })
	if v := ask(j, old.token(t)); v.Err == nil {
		t.Error("a key that the source has left out is still good")
	}
}

// TestUnknownKid: however many unknown keys are named, the source is asked
// rarely, and what it does not know is denied.
func TestUnknownKid(t *testing.T) {
	known, unknown := newSigner(t, "known", "ES256"), newSigner(t, "unknown", "ES256")
	s := newSource(t, known)
	j := openJWKS(t, token.JWKSConfig{Source: s.URL, Refresh: time.Hour, Unknown: time.Hour})
	for range 100 {
		if v := ask(j, unknown.token(t)); !errors.Is(v.Err, logic.ErrDenied) {
			t.Fatalf("%+v, want denied", v)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the source was asked %d times", n)
	}
}

// TestSourceAway: the last keys stay good, and of others nobody can tell.
func TestSourceAway(t *testing.T) {
	known, unknown := newSigner(t, "known", "ES256"), newSigner(t, "unknown", "ES256")
	s := newSource(t, known)
	j := openJWKS(t, token.JWKSConfig{Source: s.URL, Refresh: 5 * time.Millisecond})
	for name, wrong := range map[string]func(){
		"errors":    func() { s.text.Store(nil) },
		"no JSON":   func() { s.set("<html>") },
		"no keys":   func() { s.set(`{"keys":[]}`) },
		"no use":    func() { s.set(setOf(t, known.with(map[string]any{"use": "enc"}))) },
		"too large": func() { s.set(strings.Repeat(" ", 2<<20)) },
	} {
		wrong()
		from := s.asked.Load()
		until(t, "asked again", func() bool { return s.asked.Load() >= from+2 })
		if v := ask(j, known.token(t)); v.Err != nil {
			t.Errorf("%s: a known key: %v", name, v.Err)
		}
		if v := ask(j, unknown.token(t)); !errors.Is(v.Err, logic.ErrUnavailable) {
			t.Errorf("%s: an unknown key: %v", name, v.Err)
		}
	}
	s.set(setOf(t, unknown))
	until(t, "the source is back", func() bool { return ask(j, unknown.token(t)).Err == nil })
}

func TestJWKSFile(t *testing.T) {
	old, fresh := newSigner(t, "old", "EdDSA"), newSigner(t, "new", "EdDSA")
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(setOf(t, old))
	j := openJWKS(t, token.JWKSConfig{Source: path, Refresh: time.Millisecond})
	write(setOf(t, old, fresh))
	until(t, "the file's new key is good", func() bool { return ask(j, fresh.token(t)).Err == nil })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if v := ask(j, old.token(t)); v.Err != nil {
		t.Error(v.Err)
	}
}

// TestBadKeys: a bad key does not take the good ones away, and is not used.
func TestBadKeys(t *testing.T) {
	fine := newSigner(t, "fine", "ES256")
	r, e := newSigner(t, "r", "RS256"), newSigner(t, "e", "ES256")
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for name, bad := range map[string]*signer{
		"encryption":        r.with(map[string]any{"use": "enc"}),
		"signing only":      r.with(map[string]any{"key_ops": []string{"sign"}}),
		"other algorithm":   r.with(map[string]any{"alg": "RS512"}),
		"symmetric":         r.with(map[string]any{"kty": "oct", "k": zero}),
		"no kind":           r.with(map[string]any{"kty": nil}),
		"small modulus":     r.with(map[string]any{"n": base64.RawURLEncoding.EncodeToString(r.private.(*rsa.PrivateKey).N.Bytes()[:128])}),
		"huge modulus":      r.with(map[string]any{"n": strings.Repeat("_", 4096)}),
		"no exponent":       r.with(map[string]any{"e": nil}),
		"exponent 1":        r.with(map[string]any{"e": "AQ"}),
		"even exponent":     r.with(map[string]any{"e": "BA"}),
		"padded":            r.with(map[string]any{"e": "AQAB===="}),
		"not on the curve":  e.with(map[string]any{"x": zero}),
		"point at infinity": e.with(map[string]any{"x": zero, "y": zero}),
		"wrong curve":       e.with(map[string]any{"crv": "P-384"}),
		"unknown curve":     e.with(map[string]any{"crv": "secp256k1"}),
		"kid is a number":   e.with(map[string]any{"kid": 5}),
		"short Ed25519":     e.with(map[string]any{"kty": "OKP", "crv": "Ed25519", "x": zero[:40]}),
	} {
		j := openJWKS(t, token.JWKSConfig{Source: newSource(t, bad, fine).URL, Refresh: time.Hour})
		if v := ask(j, fine.token(t)); v.Err != nil {
			t.Errorf("%s: the good key: %v", name, v.Err)
		}
		if v := ask(j, bad.token(t)); v.Err == nil {
			t.Errorf("%s: the bad key is good", name)
		}
	}
}

func TestOpenJWKSRefuses(t *testing.T) {
	fine := newSigner(t, "fine", "ES256")
	redirect := httptest.NewServer(http.RedirectHandler(newSource(t, fine).URL, http.StatusFound))
	defer redirect.Close()
	for name, row := range map[string]struct {
		cfg  token.JWKSConfig
		want string
	}{
		"no algorithm":  {token.JWKSConfig{Source: newSource(t, fine).URL, Algorithms: []string{}}, "no algorithm"},
		"none":          {token.JWKSConfig{Source: newSource(t, fine).URL, Algorithms: []string{"none"}}, "unknown algorithm"},
		"symmetric":     {token.JWKSConfig{Source: newSource(t, fine).URL, Algorithms: []string{"HS256"}}, "secret"},
		"no such key":   {token.JWKSConfig{Source: newSource(t, fine).URL, Algorithms: []string{"RS256"}}, "no key for"},
		"no file":       {token.JWKSConfig{Source: "/nonexistent/keys", Algorithms: []string{"RS256"}}, "/nonexistent/keys"},
		"in the clear":  {token.JWKSConfig{Source: "http://192.0.2.1/s3cret", Algorithms: []string{"RS256"}}, "https"},
		"other scheme":  {token.JWKSConfig{Source: "ftp://127.0.0.1/s3cret", Algorithms: []string{"RS256"}}, "https"},
		"redirect":      {token.JWKSConfig{Source: redirect.URL + "/s3cret", Algorithms: []string{"ES256"}}, "302"},
		"nobody there":  {token.JWKSConfig{Source: "http://127.0.0.1:1/s3cret", Algorithms: []string{"ES256"}}, "refused"},
		"too many keys": {token.JWKSConfig{Source: newSource(t, make101(fine)...).URL, Algorithms: []string{"ES256"}}, "limit"},
	} {
		_, err := token.OpenJWKS(context.Background(), row.cfg)
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "token: ") ||
			strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want one line with %q and without the URL", name, err, row.want)
		}
	}
}

func make101(s *signer) (all []*signer) {
	for range 101 {
		all = append(all, s)
	}
	return all
}

// TestRooms: a token that names rooms lets its bearer into those only.
func TestRooms(t *testing.T) {
	j := newJWT(t, secret, "HS256")
	for name, row := range map[string]struct {
		rooms, room any
		want        error
	}{
		"none named":  {nil, "game://1", nil},
		"all":         {[]string{"*"}, "game://1", nil},
		"pattern":     {[]string{"live://*"}, "live://1000", nil},
		"exact":       {[]string{"game://1", "live://2"}, "live://2", nil},
		"no room yet": {[]string{"live://*"}, nil, nil},
		"other room":  {[]string{"live://*"}, "game://1", auth.ErrRoom},
		"none at all": {[]string{}, "game://1", auth.ErrRoom},
		"bad pattern": {[]string{"live*"}, "live://1", logic.ErrMalformed},
		"too many":    {strings.Split(strings.Repeat("live://*,", 64)+"*", ","), "live://1", logic.ErrMalformed},
		"not a list":  {"*", "live://1", logic.ErrDenied},
	} {
		v := ask(j, sign(t, "HS256", secret, good(jwt.MapClaims{"rooms": row.rooms, "room_id": row.room})))
		if !errors.Is(v.Err, row.want) {
			t.Errorf("%s: %v, want %v", name, v.Err, row.want)
		}
		if v.Err != nil && v.Identity.Rooms != nil {
			t.Errorf("%s: refused, and rooms came along: %+v", name, v.Identity)
		}
		if v.Err == nil && (v.Identity.Rooms == nil) != (row.rooms == nil) {
			t.Errorf("%s: rooms %v", name, v.Identity.Rooms)
		}
	}
	beside := `{"token":"` + sign(t, "HS256", secret, good(jwt.MapClaims{"rooms": []string{"live://*"}, "room_id": nil})) + `","room_id":"game://1","rooms":["*"]}`
	if v := ask(j, beside); !errors.Is(v.Err, auth.ErrRoom) {
		t.Errorf("a client's own word opened a room: %+v", v)
	}
}
