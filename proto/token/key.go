package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// minSecret is the shortest HMAC secret, in bytes (RFC 7518, 3.2, for HS256).
const minSecret = 32

// minRSA is the shortest RSA modulus, in bits (RFC 7518, 3.3).
const minRSA = 2048

// kinds of keys and the algorithms that go with them. An algorithm of another
// kind must never meet a key: a public key taken for an HMAC secret lets
// everyone sign.
var kinds = []struct {
	name       string
	algorithms []string
}{
	{"HMAC secret", []string{"HS256", "HS384", "HS512"}},
	{"RSA key", []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
	{"ECDSA P-256 key", []string{"ES256"}},
	{"ECDSA P-384 key", []string{"ES384"}},
	{"ECDSA P-521 key", []string{"ES512"}},
	{"Ed25519 key", []string{"EdDSA"}},
}

// parseKey reads a key for some algorithms, and returns the size of their
// signatures in bytes.
func parseKey(algorithms []string, data []byte) (key any, size int, err error) {
	want, err := kindOf(algorithms)
	if err != nil {
		return nil, 0, err
	}
	if want == "HMAC secret" {
		return parseSecret(data)
	}
	key, err = parsePublic(data)
	if err != nil {
		return nil, 0, err
	}
	got, size := describe(key)
	if got != want {
		return nil, 0, fmt.Errorf("token: %q wants an %s, the file has an %s", algorithms[0], want, got)
	}
	return key, size, nil
}

func kindOf(algorithms []string) (kind string, err error) {
	for _, algorithm := range algorithms {
		i := slices.IndexFunc(kinds, func(k struct {
			name       string
			algorithms []string
		}) bool {
			return slices.Contains(k.algorithms, algorithm)
		})
		switch {
		case i < 0:
			return "", fmt.Errorf("token: unknown algorithm %q", algorithm)
		case kind != "" && kind != kinds[i].name:
			return "", fmt.Errorf("token: algorithms %q need different keys", algorithms)
		}
		kind = kinds[i].name
	}
	if kind == "" {
		return "", errors.New("token: no algorithm is named")
	}
	return kind, nil
}

func parseSecret(data []byte) (key any, size int, err error) {
	secret := bytes.TrimSpace(data)
	if bytes.HasPrefix(secret, []byte("-----BEGIN")) {
		return nil, 0, errors.New("token: HS… wants a secret, the file has PEM")
	}
	if len(secret) < minSecret {
		return nil, 0, fmt.Errorf("token: a secret has at least %d bytes, this has %d", minSecret, len(secret))
	}
	return secret, 32, nil
}

func parsePublic(data []byte) (any, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("token: the key file is not PEM")
	}
	switch block.Type {
	case "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("token: public key: %w", err)
		}
		return key, nil
	case "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("token: public key: %w", err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("token: the key file has a %q, want a PUBLIC KEY", block.Type)
}

// describe names a key's kind as kinds does, and the size of its signatures.
func describe(key any) (kind string, size int) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return fmt.Sprintf("RSA key of %d bits, less than %d", k.N.BitLen(), minRSA), 0
		}
		return "RSA key", k.Size()
	case *ecdsa.PublicKey:
		bits := k.Curve.Params().BitSize
		return fmt.Sprintf("ECDSA P-%d key", bits), 2 * ((bits + 7) / 8)
	case ed25519.PublicKey:
		return "Ed25519 key", ed25519.SignatureSize
	}
	return fmt.Sprintf("key of type %T", key), 0
}
