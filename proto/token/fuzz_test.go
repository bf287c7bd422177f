package token_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/oortim/oort/proto/token"
)

// FuzzCheck: a signed token of any header and claims, alone or in any body. Whoever
// is let in has said HS256 and an exp that has not come, and is who the token
// says; whoever is not learns nothing.
func FuzzCheck(f *testing.F) {
	f.Add(plain, late, "")
	f.Add(plain, `{"mid":7,"exp":9999999999,"nbf":1,"key":"k","room_id":"live://1","accepts":[1],"rooms":["*"]}`, `{"key":"k","token":`)
	f.Add(`{"alg":"none","kid":"x","crit":["exp"]}`, `{"exp":"1e9"}`, `{"token":`)
	f.Add(`{"alg":"HS256","typ":"JWT"}`, `{"exp":0}`, "\xff{")
	v := open(f, func(c *token.Config) { c.Leeway = time.Nanosecond })
	f.Fuzz(func(t *testing.T, header, claims, before string) {
		c, err := v.Check([]byte(before + header + claims)) // unsigned
		refused(t, "what nobody signed", c, err)

		body := written(header, claims)
		if before != "" {
			body = before + strconv.Quote(body) + "}"
		}
		c, err = v.Check([]byte(body))
		if err != nil {
			refused(t, body, c, err)
			if errors.Is(err, token.ErrUnknownKey) {
				t.Fatal("there is one key, whatever it is called")
			}
			return
		}
		var said struct{ Alg string }
		if json.Unmarshal([]byte(header), &said) != nil || said.Alg != "HS256" {
			t.Fatalf("let in with header %q", header)
		}
		var of struct {
			Mid int64
			Exp json.Number
		}
		if err := json.Unmarshal([]byte(claims), &of); err != nil {
			t.Fatalf("let in with claims %q: %v", claims, err)
		}
		if exp, err := of.Exp.Float64(); err != nil || exp <= float64(noon.Unix()) || c.Mid != of.Mid {
			t.Fatalf("user %d let in with claims %q, exp %v", c.Mid, claims, of.Exp)
		}
	})
}
