package token_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"github.com/oortim/oort/proto/token"
)

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	noon   = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

// algorithms are all that a Verifier may be told.
var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// pairs returns, for each algorithm, what signs and what New is given: one pair of
// each kind of keys, made once.
var pairs = sync.OnceValue(func() map[string]pair {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	all := map[string]pair{"EdDSA": {ed, pemOf(ed.Public())}}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(err)
		all[alg] = pair{k, pemOf(&k.PublicKey)}
	}
	for _, size := range []string{"256", "384", "512"} {
		all["HS"+size] = pair{secret, secret}
		all["RS"+size] = pair{r, pemOf(&r.PublicKey)}
		all["PS"+size] = pair{r, pemOf(&r.PublicKey)}
	}
	return all
})

type pair struct {
	signs any
	file  []byte
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func pemOf(public any) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// open returns a verifier at noon.
func open(t testing.TB, change func(*token.Config)) *token.Verifier {
	t.Helper()
	cfg := token.Config{Algorithms: []string{"HS256"}, Key: secret, Clock: func() time.Time { return noon }}
	if change != nil {
		change(&cfg)
	}
	v, err := token.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// claims that are good at noon, changed by change; nil takes one away.
func claims(change jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"mid": 7, "key": "k", "exp": noon.Add(time.Minute).Unix()}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func sign(t testing.TB, alg string, key any, c jwt.MapClaims, header ...map[string]any) string {
	t.Helper()
	tok := jwt.NewWithClaims(jwt.GetSigningMethod(alg), c)
	for _, h := range header {
		maps.Copy(tok.Header, h)
	}
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// written is a token of any header and claims, signed by secret with HS256
// whatever its header says.
func written(header, claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64([]byte(claims))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

const (
	plain = `{"alg":"HS256"}`
	late  = `{"mid":7,"exp":9999999999}` // good for centuries
)

// fatal is what T of testing and of rapid share.
type fatal interface{ Fatalf(string, ...any) }

// refused checks a refusal: that nothing but a user who is rightly named comes
// with it, and that it tells nothing.
func refused(t fatal, what string, c token.Claims, err error) {
	if err == nil {
		t.Fatalf("%s: let in, %+v", what, c)
	}
	if c.Key != "" || c.Room != "" || c.Platform != "" || c.Accepts != nil || c.Rooms != nil {
		t.Fatalf("%s: refused (%v), and yet %+v", what, err, c)
	}
	if s := err.Error(); s != "denied" && s != token.ErrExpired.Error() && s != token.ErrUnknownKey.Error() {
		t.Fatalf("%s: %q tells how far it got", what, s)
	}
}

// Each algorithm is for tokens of that algorithm alone: also of one key two
// algorithms are not the same, and what all may read is no secret.
func TestEachAlgorithmAlone(t *testing.T) {
	t.Parallel()
	tokens := make(map[string]string)
	for _, alg := range algorithms {
		tokens[alg] = sign(t, alg, pairs()[alg].signs, claims(nil))
	}
	for _, alg := range algorithms {
		own := pairs()[alg]
		v := open(t, func(c *token.Config) { c.Algorithms, c.Key = []string{alg}, own.file })
		for other, tok := range tokens {
			c, err := v.Check([]byte(tok))
			if other == alg {
				if err != nil || c.Mid != 7 || c.Key != "k" {
					t.Errorf("%s: %+v, %v", alg, c, err)
				}
				continue
			}
			refused(t, other+" where "+alg+" is wanted", c, err)
		}
		if strings.HasPrefix(alg, "HS") {
			continue
		}
		block, _ := pem.Decode(own.file)
		for name, public := range map[string][]byte{"PEM": own.file, "DER": block.Bytes} {
			for _, hs := range []string{"HS256", "HS384", "HS512"} {
				c, err := v.Check([]byte(sign(t, hs, public, claims(nil))))
				refused(t, fmt.Sprintf("%s with the public key's %s as a secret, where %s is wanted", hs, name, alg), c, err)
			}
		}
	}
}

// Several algorithms of one kind may be good, and no others of it.
func TestSeveralAlgorithms(t *testing.T) {
	t.Parallel()
	v := open(t, func(c *token.Config) { c.Algorithms = []string{"HS256", "HS512"} })
	for alg, good := range map[string]bool{"HS256": true, "HS384": false, "HS512": true} {
		if c, err := v.Check([]byte(sign(t, alg, secret, claims(nil)))); (err == nil) != good {
			t.Errorf("%s: %+v, %v", alg, c, err)
		}
	}
}

// What a header says beside alg must not open anything, and what it may not say
// is refused though the signature is right.
func TestHeader(t *testing.T) {
	t.Parallel()
	v := open(t, nil)
	for _, header := range []string{
		plain, `{"alg":"HS256","typ":"JWT"}`, `{"typ":5,"alg":"HS256"}`, `{"alg":"HS256","kid":"any"}`, `{"alg":"HS256","kid":5}`,
		`{"alg":"HS256","jwk":{"kty":"oct","k":"AA"},"jku":"http://127.0.0.1/","x5u":"http://127.0.0.1/"}`,
	} {
		if c, err := v.Check([]byte(written(header, late))); err != nil || c.Mid != 7 {
			t.Errorf("%s: %+v, %v", header, c, err)
		}
	}
	for _, header := range []string{
		"", "null", "[]", `"HS256"`, "{}", `{"alg":null}`, `{"alg":5}`, `{"alg":["HS256"]}`, `{"alg":""}`, `{"alg":"hs256"}`,
		`{"ALG":"HS256"}`, `{"alg":"HS256 "}`, `{"alg":"HS257"}`, `{"alg":"RS256"}`, `{"alg":"none"}`, `{"alg":"HS256"`, plain + "x",
		// RFC 7515, 4.1.11: who does not understand what is critical refuses.
		`{"alg":"HS256","crit":["b64"],"b64":false}`, `{"alg":"HS256","crit":["exp"]}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","crit":null}`,
	} {
		c, err := v.Check([]byte(written(header, late)))
		refused(t, header, c, err)
		if c.Mid != 0 || !errors.Is(err, token.ErrDenied) {
			t.Errorf("%s: %v for user %d", header, err, c.Mid)
		}
	}
}

// None is no algorithm, however it is spelled and whatever stands where the
// signature would be.
func TestNone(t *testing.T) {
	t.Parallel()
	b64 := base64.RawURLEncoding.EncodeToString
	for alg, p := range pairs() {
		v := open(t, func(c *token.Config) { c.Algorithms, c.Key = []string{alg}, p.file })
		right := sign(t, alg, p.signs, claims(nil))
		for _, none := range []string{"none", "None", "NONE", "nOnE", " none", "none\\u0000", ""} {
			for _, signature := range []string{"", right[strings.LastIndexByte(right, '.')+1:], "AA"} {
				c, err := v.Check([]byte(b64([]byte(`{"alg":"`+none+`"}`)) + "." + b64([]byte(late)) + "." + signature))
				refused(t, none+" where "+alg+" is wanted", c, err)
			}
		}
	}
	if _, err := token.New(token.Config{Algorithms: []string{"none"}, Key: secret}); err == nil {
		t.Error("none can be configured")
	}
}

// The times of a token, to the second: exp is the first at which it is no longer
// good, nbf the first at which it is, and clocks may differ by the leeway.
func TestTimes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		leeway := time.Duration(rapid.IntRange(1, 20).Draw(t, "leeway")) * time.Second
		exp := rapid.Int64Range(-40, 40).Draw(t, "exp")
		nbf := rapid.Int64Range(-40, 40).Draw(t, "nbf")
		fraction := time.Duration(rapid.Int64Range(0, 999).Draw(t, "fraction")) * time.Millisecond
		v, err := token.New(token.Config{
			Algorithms: []string{"HS256"}, Key: secret, Leeway: leeway, Clock: func() time.Time { return noon.Add(fraction) },
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := v.Check([]byte(written(plain, fmt.Sprintf(`{"mid":7,"exp":%d,"nbf":%d}`, noon.Unix()+exp, noon.Unix()+nbf))))
		ended := fraction >= time.Duration(exp)*time.Second+leeway
		begun := fraction >= time.Duration(nbf)*time.Second-leeway
		switch {
		case ended != errors.Is(err, token.ErrExpired), (ended || !begun) != (err != nil):
			t.Fatalf("leeway %v, exp %+d, nbf %+d, at %v: %v", leeway, exp, nbf, fraction, err)
		case c.Mid != 7: // the signature is good in any case
			t.Fatalf("user %d", c.Mid)
		}
	})
}

func TestOddTimes(t *testing.T) {
	t.Parallel()
	v := open(t, nil)
	at := noon.Unix()
	for body, good := range map[string]bool{
		fmt.Sprintf(`{"exp":%d.5}`, at+60): true,
		fmt.Sprintf(`{"exp":"%d"}`, at+60): true, // a number in quotes
		`{"exp":2e9}`:                      true,
		`{}`:                               false,
		`null`:                             false,
		`{"exp":null}`:                     false,
		`{"exp":0}`:                        false,
		`{"exp":-1}`:                       false,
		`{"exp":""}`:                       false,
		`{"exp":"soon"}`:                   false,
		`{"exp":true}`:                     false,
		`{"exp":[9999999999]}`:             false,
		`{"exp":1e999}`:                    false,
		fmt.Sprintf(`{"exp":%d,"nbf":null}`, at+60):       true,
		fmt.Sprintf(`{"exp":%d,"nbf":"soon"}`, at+60):     false,
		fmt.Sprintf(`{"exp":%d,"nbf":9999999999}`, at+60): false,
		fmt.Sprintf(`{"exp":%d,"iat":9999999999}`, at+60): true, // it is no promise
	} {
		c, err := v.Check([]byte(written(plain, body)))
		if (err == nil) != good {
			t.Errorf("%s: %+v, %v", body, c, err)
		}
	}
}

// Audience and issuer are asked for where they are configured, and where a token
// is out of date too, it is told that.
func TestAudienceAndIssuer(t *testing.T) {
	t.Parallel()
	v := open(t, func(c *token.Config) { c.Audience, c.Issuer = "oort", "login" })
	for body, good := range map[string]bool{
		`"aud":"oort","iss":"login"`:            true,
		`"aud":["x","oort"],"iss":"login"`:      true,
		`"aud":"Oort","iss":"login"`:            false,
		`"aud":["x"],"iss":"login"`:             false,
		`"aud":[],"iss":"login"`:                false,
		`"aud":"oort"`:                          false,
		`"iss":"login"`:                         false,
		`"aud":"oort","iss":"Login"`:            false,
		`"aud":"oort","iss":["login"]`:          false,
		`"aud":{"oort":1},"iss":"login"`:        false,
		`"aud":"oort","iss":"login","sub":"me"`: true,
	} {
		if c, err := v.Check([]byte(written(plain, `{"exp":9999999999,`+body+`}`))); (err == nil) != good {
			t.Errorf("%s: %+v, %v", body, c, err)
		}
	}
}

// A token may be 8 KiB long, and what is longer is refused though it is signed.
func TestLongest(t *testing.T) {
	t.Parallel()
	v := open(t, nil)
	const most = 8 << 10
	of := func(pad int) string { return written(plain, late[:len(late)-1]+`,"x":"`+strings.Repeat("x", pad)+`"}`) }
	fits, pad := "", most/4*3-200
	for ; len(of(pad)) <= most; pad++ {
		fits = of(pad)
	}
	if _, err := v.Check([]byte(fits)); err != nil || len(fits) < most-1 {
		t.Errorf("%d bytes: %v", len(fits), err)
	}
	for _, long := range []string{of(pad), of(1 << 20)} {
		for _, body := range []string{long, `{"token":"` + long + `"}`} {
			c, err := v.Check([]byte(body))
			refused(t, fmt.Sprintf("%d bytes", len(long)), c, err)
		}
	}
	beside := `{"token":"` + fits + `","more":"` + strings.Repeat("x", 1<<16) + `"}`
	if _, err := v.Check([]byte(beside)); err != nil {
		t.Errorf("long is what stands beside the token: %v", err)
	}
}

// What a token says wins over what stands beside it, word by word, and mid and
// rooms are the token's alone.
func TestBeside(t *testing.T) {
	t.Parallel()
	v := open(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		inside, beside := map[string]any{"exp": 9999999999}, map[string]any{"mid": 9, "rooms": []string{"*"}}
		for _, name := range []string{"key", "room_id", "platform"} {
			maybe(t, inside, name, "in")
			maybe(t, beside, name, "out")
		}
		maybe(t, inside, "mid", 7)
		maybe(t, inside, "accepts", []int32{1})
		maybe(t, beside, "accepts", []int32{2})
		maybe(t, inside, "rooms", []string{"live://*"})
		said, err := json.Marshal(inside)
		must(err)
		beside["token"] = written(plain, string(said))
		body, err := json.Marshal(beside)
		must(err)
		c, err := v.Check(body)
		if err != nil {
			t.Fatalf("%s: %v", said, err)
		}
		want := func(name string) any {
			if x, ok := inside[name]; ok {
				return x
			}
			return beside[name]
		}
		for name, got := range map[string]string{"key": c.Key, "room_id": c.Room, "platform": c.Platform} {
			if x := want(name); got != "" && got != x || got == "" && x != nil {
				t.Fatalf("%s is %q; %s beside %s", name, got, said, body)
			}
		}
		if x := want("accepts"); fmt.Sprint(c.Accepts) != fmt.Sprint(x) && (x != nil || c.Accepts != nil) {
			t.Fatalf("accepts %v, want %v", c.Accepts, x)
		}
		if _, ok := inside["mid"]; ok != (c.Mid == 7) || !ok && c.Mid != 0 {
			t.Fatalf("mid %d; %s", c.Mid, said)
		}
		if _, ok := inside["rooms"]; ok != (c.Rooms != nil) || ok && fmt.Sprint(*c.Rooms) != "[live://*]" {
			t.Fatalf("rooms %v; %s", c.Rooms, said)
		}
	})
}

func maybe(t *rapid.T, into map[string]any, name string, value any) {
	if rapid.Bool().Draw(t, name) {
		into[name] = value
	}
}

// A good token that is changed by one letter anywhere is refused, and nobody is
// blamed for it.
func TestOneLetter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		alg := rapid.SampledFrom([]string{"HS256", "ES256", "EdDSA"}).Draw(t, "alg")
		p := pairs()[alg]
		v, err := token.New(token.Config{Algorithms: []string{alg}, Key: p.file, Clock: func() time.Time { return noon }})
		must(err)
		good, err := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims(nil)).SignedString(p.signs)
		must(err)
		at := rapid.IntRange(0, len(good)-1).Draw(t, "at")
		letter := rapid.SampledFrom([]byte("AZaz09-_.=+/ \n\x00\xff")).Draw(t, "letter")
		var bad string
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			bad = good[:at] + string([]byte{letter}) + good[at+1:]
		case 1:
			bad = good[:at] + good[at+1:]
		case 2:
			bad = good[:at] + string([]byte{letter}) + good[at:]
		case 3:
			bad = good[:at]
		}
		c, err := v.Check([]byte(bad))
		if strings.TrimSpace(bad) == good {
			return
		}
		refused(t, bad, c, err)
		if c.Mid != 0 || !errors.Is(err, token.ErrDenied) {
			t.Fatalf("%v for user %d", err, c.Mid)
		}
	})
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	v := open(t, nil)
	good := written(plain, late)
	for _, body := range []string{
		"", " ", ".", "..", "...", "a.b.c", "{", "{}", "null", "[]", `{"token":null}`, `{"token":5}`, `{"token":{}}`, `{"token":""}`,
		`{"token":"` + good, `[{"token":"` + good + `"}]`, `"` + good + `"`, ` {"token":"` + good + `"}`, "Bearer " + good,
		good + ".", "." + good, good + "." + good, good + good, strings.Replace(good, ".", "..", 1), strings.ToUpper(good),
		`{"token":"` + good + `","key":5}`, `{"token":"` + good + `","accepts":[2147483648]}`, "\xff\xfe" + good,
		written(plain, "[]"), written(plain, "7"), written(plain, ""), written(plain, late+late), written(plain, `{"exp":9999999999,"mid":"7"}`),
		written(plain, `{"exp":9999999999,"mid":1e30}`), written(plain, `{"exp":9999999999,"rooms":"*"}`),
	} {
		c, err := v.Check([]byte(body))
		refused(t, body, c, err)
		if c.Mid != 0 || !errors.Is(err, token.ErrDenied) {
			t.Errorf("%q: %v for user %d", body, err, c.Mid)
		}
	}
}
