package httpapi

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// minKey is the shortest bearer key, in bytes: what is shorter can be guessed.
const minKey = 16

// maxKey is the longest that is looked at, in bytes.
const maxKey = 512

// scope is what a key is good for; several are or-ed.
type scope uint8

const (
	scopePush  scope = 1 << iota // store pushes
	scopeRead                    // ask who is online, where, and what became of a push
	scopeAdmin                   // everything that changes more than a push does
	scopeAll   = scopePush | scopeRead | scopeAdmin
)

var scopeNames = []struct {
	scope scope
	name  string
}{{scopePush, "push"}, {scopeRead, "read"}, {scopeAdmin, "admin"}}

// String lists the names of s.
func (s scope) String() string {
	var names []string
	for _, row := range scopeNames {
		if s&row.scope != 0 {
			names = append(names, row.name)
		}
	}
	return strings.Join(names, ",")
}

// scopeOf is what a request needs. What no line here knows is administrative: a
// path that is added later is closed to pushers until somebody opens it.
func scopeOf(r *http.Request) scope {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return scopeRead
	case r.Method == http.MethodPost && (r.URL.Path == "/v1/push" || strings.HasPrefix(r.URL.Path, "/goim/push/")):
		return scopePush
	}
	return scopeAdmin
}

// Keys are bearer keys by name. Only their hashes are kept.
type Keys []namedKey

type namedKey struct {
	name  string
	hash  [sha256.Size]byte
	scope scope
}

// ReadKeys reads "name:key" or "name:key:scope,scope" lines; empty lines and
// those that begin with # are skipped. Names are for the operator and for the
// audit log, and unique; so are keys, which have no white space. Scopes are push,
// read and admin; without any a key is good for all. No error contains a key.
func ReadKeys(r io.Reader) (Keys, error) {
	var keys Keys
	seen := make(map[string]bool)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := readKey(line)
		if err != nil {
			return nil, fmt.Errorf("httpapi: keys: line %d: %w", n, err)
		}
		if seen[key.name] {
			return nil, fmt.Errorf("httpapi: keys: line %d: name %q is there twice", n, key.name)
		}
		if i := keys.index(key.hash); i >= 0 {
			return nil, fmt.Errorf("httpapi: keys: line %d: the key of %q is also that of %q", n, key.name, keys[i].name)
		}
		seen[key.name] = true
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("httpapi: keys: %w", err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("httpapi: keys: no key in the file")
	}
	return keys, nil
}

func readKey(line string) (k namedKey, err error) {
	name, key, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return k, fmt.Errorf("not name:key or name:key:scopes")
	}
	k = namedKey{name: name, scope: scopeAll}
	if at := strings.LastIndexByte(key, ':'); at >= 0 && isWords(key[at+1:]) {
		if k.scope, err = readScopes(key[at+1:]); err != nil {
			return k, err
		}
		key = key[:at]
	}
	if len(key) < minKey || len(key) > maxKey {
		return k, fmt.Errorf("a key has %d to %d bytes, this has %d", minKey, maxKey, len(key))
	}
	if strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return k, fmt.Errorf("a key, or its scopes, with white space: no request could show it")
	}
	k.hash = sha256.Sum256([]byte(key))
	return k, nil
}

// longestScopes bounds what is taken for scopes at a line's end, so that a key
// which has a colon and small letters in it is not.
const longestScopes = len("push,read,admin")

func isWords(s string) bool {
	for i := range len(s) {
		if s[i] != ',' && (s[i] < 'a' || s[i] > 'z') {
			return false
		}
	}
	return len(s) <= longestScopes
}

func readScopes(list string) (all scope, err error) {
	for word := range strings.SplitSeq(list, ",") {
		found := scope(0)
		for _, row := range scopeNames {
			if row.name == word {
				found = row.scope
			}
		}
		if found == 0 {
			return 0, fmt.Errorf("its scopes are not of push, read and admin")
		}
		all |= found
	}
	return all, nil
}

// find returns the index of the key, or -1. Every key is compared, by its
// hash, so the time tells neither whether nor where it was found.
func (k Keys) find(key string) int { return k.index(sha256.Sum256([]byte(key))) }

func (k Keys) index(hash [sha256.Size]byte) int {
	found := -1
	for i := range k {
		equal := subtle.ConstantTimeCompare(hash[:], k[i].hash[:])
		found = subtle.ConstantTimeSelect(equal, i, found)
	}
	return found
}
