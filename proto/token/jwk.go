package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// jwkJSON is what is looked at in one JSON Web Key (RFC 7517, RFC 7518 6.2 and
// 6.3, RFC 8037 2).
type jwkJSON struct {
	Kty string   `json:"kty"`
	Kid string   `json:"kid"`
	Use string   `json:"use"`
	Alg string   `json:"alg"`
	Ops []string `json:"key_ops"`
	Crv string   `json:"crv"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
}

// jwk is one key that tokens may be signed with.
type jwk struct {
	id         string
	key        any
	algorithms []string // that it may be used for
	size       int      // of its signatures, in bytes
}

// keySet is one state of a source of keys.
type keySet []jwk

// maxKeys is the largest number of keys in a set.
const maxKeys = 100

// parseSet reads a JSON Web Key Set. Keys that are for something else (for
// encryption, for other algorithms, of unknown kinds) are left out, as RFC 7517
// 5 asks for; so are symmetric ones, which have no place where others can read
// them. A key that claims to be one of ours and is broken is left out too, for
// one bad entry must not take the others away; that none is left is an error.
func parseSet(text []byte, algorithms []string) (keySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, errors.New("token: jwks: it is no JSON with a list of keys")
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("token: jwks: %d keys, limit %d", len(doc.Keys), maxKeys)
	}
	var set keySet
	var last error
	for _, raw := range doc.Keys {
		k, err := parseJWK(raw, algorithms)
		if err != nil {
			last = err
			continue
		}
		if k.id != "" && set.find(k.id) != nil {
			last = fmt.Errorf("kid %.64q is there twice", k.id)
			continue
		}
		set = append(set, k)
	}
	switch {
	case len(set) > 0:
		return set, nil
	case last != nil:
		return nil, fmt.Errorf("token: jwks: no key for %q among %d; the last: %w", algorithms, len(doc.Keys), last)
	}
	return nil, errors.New("token: jwks: no keys in it")
}

func parseJWK(raw []byte, algorithms []string) (k jwk, err error) {
	var j jwkJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return k, errors.New("a key is no JSON object")
	}
	if j.Use != "" && j.Use != "sig" || j.Ops != nil && !slices.Contains(j.Ops, "verify") {
		return k, fmt.Errorf("kid %.64q is not for signatures", j.Kid)
	}
	k.id = j.Kid
	if k.key, err = j.public(); err != nil {
		return k, fmt.Errorf("kid %.64q: %w", j.Kid, err)
	}
	kind, size := describe(k.key)
	k.size = size
	for _, algorithm := range algorithms {
		if own, err := kindOf([]string{algorithm}); err == nil && own == kind && (j.Alg == "" || j.Alg == algorithm) {
			k.algorithms = append(k.algorithms, algorithm)
		}
	}
	if k.algorithms == nil {
		return k, fmt.Errorf("kid %.64q: an %s with alg %.16q", j.Kid, kind, j.Alg)
	}
	return k, nil
}

// public is the key itself.
func (j *jwkJSON) public() (any, error) {
	switch j.Kty {
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ecdsa()
	case "OKP":
		x, err := bytesOf(j.X)
		if err != nil || j.Crv != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("no Ed25519 key")
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, fmt.Errorf("kty %.16q", j.Kty)
}

func (j *jwkJSON) rsa() (any, error) {
	n, err := bytesOf(j.N)
	if err != nil || len(n) > maxRSA/8 {
		return nil, errors.New("bad modulus")
	}
	e, err := bytesOf(j.E)
	if err != nil || len(e) == 0 || len(e) > 4 {
		return nil, errors.New("bad exponent")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
		return nil, errors.New("bad exponent")
	}
	return key, nil
}

// maxRSA is the longest RSA modulus, in bits: a longer one would make each
// check of a signature expensive.
const maxRSA = 8192

func (j *jwkJSON) ecdsa() (any, error) {
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[j.Crv]
	if !ok {
		return nil, fmt.Errorf("curve %.16q", j.Crv)
	}
	size := (curve.Params().BitSize + 7) / 8
	x, errX := bytesOf(j.X)
	y, errY := bytesOf(j.Y)
	if errX != nil || errY != nil || len(x) != size || len(y) != size {
		return nil, errors.New("bad point")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("the point is not on the curve")
	}
	return key, nil
}

func bytesOf(text string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(text) }

// find returns the key of that id, or nil.
func (s keySet) find(id string) *jwk {
	for i := range s {
		if s[i].id == id {
			return &s[i]
		}
	}
	return nil
}

// only returns the one key for an algorithm; nil if there is none or several.
func (s keySet) only(algorithm string) (found *jwk) {
	for i := range s {
		if !slices.Contains(s[i].algorithms, algorithm) {
			continue
		}
		if found != nil {
			return nil
		}
		found = &s[i]
	}
	return found
}
