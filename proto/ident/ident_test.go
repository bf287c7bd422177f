package ident

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseKey(t *testing.T) {
	for s, ok := range map[string]bool{
		"a":                      true,
		"!":                      true,
		"~":                      true,
		"a|b,c:d/e\"f'g":         true,
		strings.Repeat("k", 64):  true,
		"":                       false,
		strings.Repeat("k", 65):  false,
		"a b":                    false,
		" ":                      false,
		"a\x00":                  false,
		"a\n":                    false,
		"\x1f":                   false,
		"\x7f":                   false,
		"é":                      false,
		"\xff":                   false,
		"{a}":                    false,
		"a{":                     false,
		"a}":                     false,
		"k1\r\nDEL session:{k2}": false,
	} {
		k, err := ParseKey(s)
		check(t, s, string(k), err, ok, ErrKey)
	}
}

func TestParseRoom(t *testing.T) {
	for s, ok := range map[string]bool{
		"live://1000":                          true,
		"a://b":                                true,
		"a_b-9://A.b:c_d-E":                    true,
		"live://:":                             true,
		strings.Repeat("t", 32) + "://1":       true,
		"t://" + strings.Repeat("i", 64):       true,
		"":                                     false,
		"live":                                 false,
		"live:/1":                              false,
		"live://":                              false,
		"://1":                                 false,
		"Live://1":                             false,
		"li.ve://1":                            false,
		"live://a://b":                         false,
		"live:// 1":                            false,
		"live://1\n":                           false,
		"live://1\x00":                         false,
		"live://{1}":                           false,
		"live://1/2":                           false,
		"live://é":                             false,
		strings.Repeat("t", 33) + "://1":       false,
		"t://" + strings.Repeat("i", 65):       false,
		"live://1 EX 5":                        false,
		"live://1\r\nSET a b":                  false,
		"live://" + strings.Repeat("i", 1<<16): false,
		strings.Repeat("live://", 1<<10) + "1000": false,
	} {
		r, err := ParseRoom(s)
		check(t, s, string(r), err, ok, ErrRoom)
	}
}

// The grammar is given as this expression; the parser must agree with it.
func TestParseRoomIsTheExpression(t *testing.T) {
	grammar := regexp.MustCompile(`\A[a-z0-9_-]{1,32}://[A-Za-z0-9_.:-]{1,64}\z`)
	near := rapid.StringMatching(`[a-zA-Z0-9_.-]{0,34}[:/ ]{0,4}[A-Za-z0-9_.:/{} -]{0,66}`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(near, rapid.StringMatching(grammar.String()), rapid.String()).Draw(t, "room")
		if _, err := ParseRoom(s); (err == nil) != grammar.MatchString(s) {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

func TestParseServer(t *testing.T) {
	for s, ok := range map[string]bool{
		"c1@0":                             true,
		"c1@18f3a":                         true,
		"a.b_c-d@7fffffffffffffff":         true,
		strings.Repeat("n", 64) + "@1":     true,
		"":                                 false,
		"c1":                               false,
		"c1@":                              false,
		"@1":                               false,
		"c1@01":                            false,
		"c1@-1":                            false,
		"c1@+1":                            false,
		"c1@1F":                            false,
		"c1@0x1":                           false,
		"c1@1_0":                           false,
		"c1@1@1":                           false,
		"c1@8000000000000000":              false,
		"C1@1":                             false,
		"c 1@1":                            false,
		"c{1}@1":                           false,
		strings.Repeat("n", 65) + "@1":     false,
		"c1@" + strings.Repeat("1", 1<<16): false,
	} {
		v, err := ParseServer(s)
		check(t, s, string(v), err, ok, ErrServer)
	}
}

func TestParseServerName(t *testing.T) {
	for s, ok := range map[string]bool{
		"c1": true, "comet-0.eu_1": true, "": false, "a@b": false, "A": false, "a b": false,
		strings.Repeat("n", 64): true, strings.Repeat("n", 65): false,
	} {
		name, err := ParseServerName(s)
		check(t, s, name, err, ok, ErrServer)
	}
}

// check compares what a parser made of s with what it should.
func check(t *testing.T, s, got string, err error, ok bool, fault error) {
	t.Helper()
	switch {
	case ok && (err != nil || got != s):
		t.Errorf("%q: got %q, %v", s, got, err)
	case !ok && (!errors.Is(err, fault) || got != ""):
		t.Errorf("%.80q: got %q, %v; want %v", s, got, err, fault)
	case !ok && len(err.Error()) > 600:
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestNewServer(t *testing.T) {
	start := time.UnixMicro(0x642c3f1f9a2b0)
	s := NewServer("c1", start)
	if s != "c1@642c3f1f9a2b0" || s.Name() != "c1" {
		t.Errorf("%q, name %q", s, s.Name())
	}
	if later := NewServer("c1", start.Add(time.Microsecond)); later == s || later.Name() != s.Name() {
		t.Errorf("a later run is %q", later)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9_.-]{1,64}`).Draw(t, "name")
		s := NewServer(name, time.UnixMicro(rapid.Int64Min(0).Draw(t, "start")))
		if got, err := ParseServer(string(s)); err != nil || got != s || got.Name() != name {
			t.Fatalf("%q: %q, %v", s, got, err)
		}
	})
}

func TestSucceeds(t *testing.T) {
	for _, c := range []struct {
		s, other Server
		want     bool
	}{
		{"c1@2", "c1@1", true},
		{"c1@1", "c1@2", false},
		{"c1@1", "c1@1", false},
		{"c1@10", "c1@f", true}, // numbers, not words
		{"c1@f", "c1@10", false},
		{"c2@2", "c1@1", false},
		{"c1@ff", "c@1", false},
	} {
		if got := c.s.Succeeds(c.other); got != c.want {
			t.Errorf("%q succeeds %q: %v", c.s, c.other, got)
		}
	}
}
