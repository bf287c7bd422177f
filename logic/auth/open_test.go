package auth_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/token"
)

func TestOpen(t *testing.T) {
	v := ask(auth.Open{}, `{"mid":123,"key":"","room_id":"live://1000","platform":"web","accepts":[1000,1001],"more":{}}`)
	if v.Err != nil || v.Identity.Mid != 123 || v.Identity.Key != "" || v.Identity.Room != "live://1000" || !slices.Equal(v.Identity.Accepts, []int32{1000, 1001}) || v.Identity.AcceptsAll {
		t.Errorf("goim's body: %+v", v)
	}
	for body, all := range map[string]bool{`{}`: true, `{"accepts":null}`: true, `{"accepts":[]}`: true} {
		if v := ask(auth.Open{}, body); v.Err != nil || v.Identity.AcceptsAll != all || len(v.Identity.Accepts) != 0 {
			t.Errorf("%s: %+v, want all ops: %v", body, v, all)
		}
	}
	long := strings.Repeat("k", 65)
	for _, body := range []string{
		"", "x", "[]", `{"mid":`, `{"mid":"1"}`, `{"mid":-1}`, `{"mid":1.5}`, `{"mid":9223372036854775808}`,
		`{"key":"a b"}`, `{"key":"a{b"}`, `{"key":"` + long + `"}`, `{"key":"a\nb"}`,
		`{"room_id":"live"}`, `{"room_id":"live://"}`, `{"room_id":"live://a b"}`, `{"room_id":"LIVE://1"}`,
		`{"room_id":"live://1\r\nSET x 1"}`, `{"accepts":"1000"}`, `{"accepts":[-1]}`, `{"accepts":[2147483648]}`,
		`{"platform":"` + long + `"}`,
		`{"x":` + strings.Repeat("[", 1<<19), strings.Repeat(`{"x":`, 1<<17), strings.Repeat("[", 1<<19),
	} {
		v := ask(auth.Open{}, body)
		if !errors.Is(v.Err, logic.ErrMalformed) {
			t.Errorf("%.60s: %v, want malformed", body, v.Err)
			continue
		}
		checkSilent(t, body, v.Err, body)
	}
}

// FuzzBody: whatever comes as a body, nobody panics, what is let in obeys the
// grammar, and no error quotes the body.
func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"mid":123,"key":"a","room_id":"live://1000","platform":"web","accepts":[1000,1001]}`))
	f.Add([]byte(`{"token":"eyJhbGciOiJub25lIn0.e30.","key":"a"}`))
	f.Add([]byte("eyJhbGciOiJIUzI1NiJ9.eyJtaWQiOjF9.AAAA"))
	j, err := newJWTOf(token.Config{Algorithms: []string{"HS256"}, Key: secret})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if v := ask(j, string(body)); v.Err == nil {
			t.Errorf("%q was let in without a signature", body)
		}
		v := ask(auth.Open{}, string(body))
		if v.Err != nil {
			if got := v.Err.Error(); len(body) > 20 && strings.Contains(got, string(body)) {
				t.Errorf("%q quotes the body", got)
			}
			return
		}
		id := v.Identity
		if _, err := ident.ParseKey(string(id.Key)); id.Key != "" && err != nil {
			t.Error(err)
		}
		if _, err := ident.ParseRoom(string(id.Room)); id.Room != "" && err != nil {
			t.Error(err)
		}
		if id.Mid < 0 || id.AcceptsAll && len(id.Accepts) > 0 {
			t.Errorf("%+v", id)
		}
	})
}
