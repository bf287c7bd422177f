package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/proto/token"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

// noon is the time in these tests.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// good returns claims that are let in, changed by change.
func good(change ...jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{
		"mid": 7, "key": "dev1", "room_id": "live://1000", "platform": "ios", "accepts": []int{1000, 1001},
		"exp": noon.Add(time.Minute).Unix(), "aud": "oort", "iss": "login",
	}
	for _, more := range change {
		maps.Copy(c, more)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func sign(t *testing.T, alg string, key any, c jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.GetSigningMethod(alg), c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newJWT(t *testing.T, key []byte, algorithms ...string) *auth.JWT {
	t.Helper()
	j, err := newJWTOf(token.Config{
		Algorithms: algorithms, Key: key, Audience: "oort", Issuer: "login",
		Clock: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func newJWTOf(cfg token.Config) (*auth.JWT, error) {
	v, err := token.New(cfg)
	if err != nil {
		return nil, err
	}
	return auth.NewJWT(v), nil
}

func ask(a logic.Authenticator, body string) logic.Verdict {
	return a.Authenticate(context.Background(), []logic.Credentials{{Body: []byte(body), RemoteIP: "192.0.2.1"}})[0]
}

func public(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// keys returns a signing key and its public half, or the secret twice, for an
// algorithm.
func keys(t *testing.T, alg string) (private any, file []byte) {
	t.Helper()
	var err error
	switch alg[:2] {
	case "HS":
		return secret, secret
	case "RS", "PS":
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return k, public(t, &k.PublicKey)
	case "ES":
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k, public(t, &k.PublicKey)
	}
	pub, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k, public(t, pub)
}

func TestJWTAlgorithms(t *testing.T) {
	for _, alg := range []string{"HS256", "HS512", "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"} {
		private, file := keys(t, alg)
		j := newJWT(t, file, alg)
		v := ask(j, sign(t, alg, private, good()))
		if v.Err != nil {
			t.Errorf("%s: %v", alg, v.Err)
			continue
		}
		id := v.Identity
		if id.Mid != 7 || id.Key != "dev1" || id.Room != "live://1000" || id.Platform != "ios" || !slices.Equal(id.Accepts, []int32{1000, 1001}) || id.AcceptsAll {
			t.Errorf("%s: %+v", alg, id)
		}
		other, _ := keys(t, alg)
		if alg[:2] == "HS" {
			other = []byte("another secret, as long as it must be")
		}
		if v := ask(j, sign(t, alg, other, good())); !errors.Is(v.Err, logic.ErrDenied) {
			t.Errorf("%s: signed by a stranger: %v", alg, v.Err)
		}
	}
}

// TestJWTRefused: each token lacks one thing that a good one has.
func TestJWTRefused(t *testing.T) {
	private, file := keys(t, "RS256")
	j := newJWT(t, file, "RS256")
	token := sign(t, "RS256", private, good())
	parts := strings.Split(token, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	// Only what is signed rightly may be held against the user that it names.
	signedRightly := map[string]bool{
		"expired": true, "no exp": true, "not yet": true, "wrong audience": true, "no audience": true, "wrong issuer": true,
	}
	forged := b64([]byte(`{"mid":1,"exp":9999999999,"aud":"oort","iss":"login"}`))
	for name, body := range map[string]string{
		"nothing":                    "",
		"one part":                   "x",
		"no JSON":                    "{",
		"no token in it":             `{"key":"a"}`,
		"unsigned":                   parts[0] + "." + parts[1] + ".",
		"two parts":                  parts[0] + "." + parts[1],
		"forged claims":              parts[0] + "." + forged + "." + parts[2],
		"alg none":                   b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + ".",
		"alg None":                   b64([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".",
		"no alg":                     b64([]byte(`{}`)) + "." + parts[1] + "." + parts[2],
		"public key as HMAC":         sign(t, "HS256", file, good()),
		"other RSA alg":              sign(t, "RS512", private, good()),
		"expired":                    sign(t, "RS256", private, good(jwt.MapClaims{"exp": noon.Add(-6 * time.Second).Unix()})),
		"no exp":                     sign(t, "RS256", private, good(jwt.MapClaims{"exp": nil})),
		"not yet":                    sign(t, "RS256", private, good(jwt.MapClaims{"nbf": noon.Add(6 * time.Second).Unix()})),
		"wrong audience":             sign(t, "RS256", private, good(jwt.MapClaims{"aud": "others"})),
		"no audience":                sign(t, "RS256", private, good(jwt.MapClaims{"aud": nil})),
		"wrong issuer":               sign(t, "RS256", private, good(jwt.MapClaims{"iss": "me"})),
		"too long":                   token + strings.Repeat("A", 9000),
		"trailing newline in base64": parts[0] + "\n." + parts[1] + "." + parts[2],
	} {
		v := ask(j, body)
		if !errors.Is(v.Err, logic.ErrDenied) {
			t.Errorf("%s: %+v, want denied", name, v)
			continue
		}
		if id := v.Identity; id.Key != "" || id.Room != "" || id.Accepts != nil {
			t.Errorf("%s: refused, but an identity came along: %+v", name, id)
		}
		if signed := signedRightly[name]; signed != (v.Identity.Mid == 7) || !signed && v.Identity.Mid != 0 {
			t.Errorf("%s: held against user %d", name, v.Identity.Mid)
		}
		checkSilent(t, name, v.Err, body)
		if msg := v.Err.Error(); name != "expired" && msg != "denied" {
			t.Errorf("%s: %q tells how far it got", name, msg)
		}
	}
	for name, change := range map[string]jwt.MapClaims{
		"expired within the leeway": {"exp": noon.Add(-4 * time.Second).Unix()},
		"not yet, within it":        {"nbf": noon.Add(4 * time.Second).Unix()},
		"several audiences":         {"aud": []string{"others", "oort"}},
	} {
		if v := ask(j, sign(t, "RS256", private, good(change))); v.Err != nil {
			t.Errorf("%s: %v", name, v.Err)
		}
	}
	for name, change := range map[string]jwt.MapClaims{
		"room": {"room_id": "nowhere"}, "key": {"key": "a b"}, "mid": {"mid": -1}, "accepts": {"accepts": []int{-1}},
	} {
		if v := ask(j, sign(t, "RS256", private, good(change))); !errors.Is(v.Err, logic.ErrMalformed) {
			t.Errorf("bad %s: %v, want malformed", name, v.Err)
		}
	}
}

// checkSilent checks that an error contains no part of a body.
func checkSilent(t *testing.T, name string, err error, body string) {
	t.Helper()
	for i := 0; i+12 <= len(body); i++ {
		if strings.Contains(err.Error(), body[i:i+12]) {
			t.Errorf("%s: %q contains a part of the body", name, err)
			return
		}
	}
}

// TestJWTBeside: what a token claims wins over what stands beside it.
func TestJWTBeside(t *testing.T) {
	j := newJWT(t, secret, "HS256")
	full := sign(t, "HS256", secret, good())
	bare := sign(t, "HS256", secret, good(jwt.MapClaims{"key": nil, "room_id": nil, "accepts": nil, "platform": nil}))
	beside := `,"mid":99,"key":"mine","room_id":"game://2","platform":"web","accepts":[]}`
	v := ask(j, `{"token":"`+full+`"`+beside)
	if v.Err != nil || v.Identity.Mid != 7 || v.Identity.Key != "dev1" || v.Identity.Room != "live://1000" || len(v.Identity.Accepts) != 2 || v.Identity.Platform != "ios" {
		t.Errorf("full token: %+v", v)
	}
	v = ask(j, `{"token":"`+bare+`"`+beside)
	if v.Err != nil || v.Identity.Mid != 7 || v.Identity.Key != "mine" || v.Identity.Room != "game://2" || !v.Identity.AcceptsAll || len(v.Identity.Accepts) != 0 || v.Identity.Platform != "web" {
		t.Errorf("bare token: %+v", v)
	}
	v = ask(j, " "+bare+"\n")
	if v.Err != nil || v.Identity.Key != "" || !v.Identity.AcceptsAll {
		t.Errorf("bare token alone: %+v", v)
	}
}

// TestJWTOneSpelling: of the spellings that decode to the same signature only
// one is let in.
func TestJWTOneSpelling(t *testing.T) {
	j := newJWT(t, secret, "HS256")
	token := sign(t, "HS256", secret, good())
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	other := token[:len(token)-1] + string(alphabet[last^1]) // the lowest two bits mean nothing
	if v := ask(j, token); v.Err != nil {
		t.Error(v.Err)
	}
	if v := ask(j, other); !errors.Is(v.Err, logic.ErrDenied) {
		t.Errorf("another spelling: %v", v.Err)
	}
}

func TestJWTConfig(t *testing.T) {
	_, rsaFile := keys(t, "RS256")
	_, p256 := keys(t, "ES256")
	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	for name, cfg := range map[string]token.Config{
		"no algorithm":    {Key: secret},
		"none":            {Key: secret, Algorithms: []string{"none"}},
		"unknown":         {Key: secret, Algorithms: []string{"HS257"}},
		"two kinds":       {Key: secret, Algorithms: []string{"HS256", "RS256"}},
		"short secret":    {Key: secret[:31], Algorithms: []string{"HS256"}},
		"PEM as secret":   {Key: rsaFile, Algorithms: []string{"HS256"}},
		"secret as PEM":   {Key: secret, Algorithms: []string{"RS256"}},
		"RSA for ECDSA":   {Key: rsaFile, Algorithms: []string{"ES256"}},
		"P-256 for ES384": {Key: p256, Algorithms: []string{"ES384"}},
		"weak RSA":        {Key: public(t, weak), Algorithms: []string{"RS256"}},
		"private key":     {Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), Algorithms: []string{"RS256"}},
		"garbage in PEM":  {Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), Algorithms: []string{"RS256"}},
	} {
		_, err := newJWTOf(cfg)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "token: ") {
			t.Errorf("%s: %v, want one line", name, err)
		}
	}
}
