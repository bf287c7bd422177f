package token

import (
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

var published = []string{"RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"}

// FuzzSet: whatever a source of keys says, the keys that are taken from it are for
// algorithms that were asked for, can be told apart, and can be used: a forged
// token that names one is refused, and nobody panics.
func FuzzSet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"b","use":"sig","alg":"ES256","key_ops":["verify"],
		"x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 342) + `"}]}`)) // odd
	f.Add([]byte(`{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("g", 342) + `"}]}`)) // even
	f.Add([]byte(`{"keys":[{"kty":"RSA","e":"Aw","n":"` + strings.Repeat("_", 343) + `"},{},[],null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := parseSet(text, published)
		if err != nil {
			if s := err.Error(); !strings.HasPrefix(s, "token: jwks: ") || strings.Contains(s, "\n") {
				t.Fatalf("%q is not one line", s)
			}
			return
		}
		if len(set) == 0 || len(set) > maxKeys {
			t.Fatalf("%d keys", len(set))
		}
		for i := range set {
			check(t, set, &set[i])
		}
	})
}

func check(t *testing.T, set keySet, k *jwk) {
	if k.size < 64 || k.size > maxRSA/8 || len(k.algorithms) == 0 {
		t.Fatalf("signatures of %d bytes for %q", k.size, k.algorithms)
	}
	if k.id != "" && set.find(k.id) != k {
		t.Fatalf("two keys are %q", k.id)
	}
	k.waste()
	for _, alg := range k.algorithms {
		if !slices.Contains(published, alg) {
			t.Fatalf("a key for %q", alg)
		}
		if only := set.only(alg); only != nil && !slices.Contains(only.algorithms, alg) {
			t.Fatalf("the only key for %q is for %q", alg, only.algorithms)
		}
		for _, size := range []int{0, 1, k.size} {
			if jwt.GetSigningMethod(alg).Verify("text", make([]byte, size), k.key) == nil {
				t.Fatalf("%d zeros are a signature by %q", size, alg)
			}
		}
	}
}
