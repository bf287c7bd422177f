package door

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/token"
)

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	noon   = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

func sign(t *testing.T, method jwt.SigningMethod, key any, change jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"mid": 7, "exp": noon.Add(time.Minute).Unix(), "aud": "oort"}
	for name, value := range change {
		claims[name] = value
	}
	s, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rig is a door whose clock is the test's.
type rig struct {
	*Door
	now time.Time
}

func open(t *testing.T, cfg Config) *rig {
	t.Helper()
	r := &rig{now: noon}
	clock := func() time.Time { return r.now }
	v, err := token.New(token.Config{Algorithms: []string{"HS256"}, Key: secret, Audience: "oort", Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Clock = clock
	if r.Door, err = New(v, cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) try(ip, body string) (comet.Connected, bool) {
	return r.Refuse(&comet.Connect{Body: []byte(body), RemoteIP: ip})
}

// A good token passes whatever else it says; what logic would refuse for the
// token itself is refused, in logic's words.
func TestRefuse(t *testing.T) {
	good := sign(t, jwt.SigningMethodHS256, secret, nil)
	for name, tc := range map[string]struct {
		body, message string // "" passes
	}{
		"good":             {good, ""},
		"in JSON":          {`{"token":"` + good + `","room_id":"live://1"}`, ""},
		"a room of others": {sign(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"room_id": "a://1", "rooms": []string{}}), ""},
		"expired":          {sign(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": noon.Add(-time.Minute).Unix()}), "denied: the token has expired"},
		"not yet":          {sign(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"nbf": noon.Add(time.Minute).Unix()}), "denied"},
		"other audience":   {sign(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"aud": "else"}), "denied"},
		"other secret":     {sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), nil), "denied"},
		"other algorithm":  {sign(t, jwt.SigningMethodHS512, secret, nil), "denied"},
		"no signature":     {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil), "denied"},
		"no token":         {`{"mid":7,"key":"k"}`, "denied"},
		"no JSON":          {`{`, "denied"},
		"nothing":          {"", "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			got, refused := open(t, Config{}).try("192.0.2.1", tc.body)
			if refused != (tc.message != "") || got.Message != tc.message || refused && got.Status != comet.StatusDenied {
				t.Errorf("refused %v: %+v, want %q", refused, got, tc.message)
			}
		})
	}
}

// Who guesses is refused unseen, even with a good token, until its time has
// come; others are not concerned; and each verdict is counted.
func TestGuessing(t *testing.T) {
	metrics := prometheus.NewRegistry()
	r := open(t, Config{Failures: 3, Metrics: metrics})
	good := sign(t, jwt.SigningMethodHS256, secret, nil)
	for range 3 {
		if c, refused := r.try("2001:db8::1", "wrong"); !refused || c.Retry != 0 {
			t.Fatalf("a wrong token: %v, %+v", refused, c)
		}
	}
	c, refused := r.try("2001:db8::2", good) // of the same /64
	if !refused || c.Status != comet.StatusDenied || c.Retry != time.Second {
		t.Errorf("too early: %v, %+v", refused, c)
	}
	if _, refused := r.try("192.0.2.1", good); refused {
		t.Error("another address is refused")
	}
	r.now = r.now.Add(time.Second)
	if _, refused := r.try("2001:db8::2", good); refused {
		t.Error("refused when its time has come")
	}
	families, err := metrics.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "oort_comet_door_total" {
		t.Fatalf("%v, %v", families, err)
	}
	counted := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		counted[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
	}
	if want := map[string]float64{"denied": 3, "passed": 2, "too_often": 1}; !maps.Equal(counted, want) {
		t.Errorf("counted %v, want %v", counted, want)
	}
	off := open(t, Config{Failures: -1})
	for range 100 {
		if c, _ := off.try("192.0.2.1", "wrong"); c.Retry != 0 {
			t.Fatal("delayed though nothing is counted")
		}
	}
	if _, err := New(nil, Config{Metrics: metrics}); !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
		t.Errorf("a second one: %v", err)
	}
}

// A key that is not known may be soon: such a link is told to come back, and is
// no guesser.
func TestUnknownKey(t *testing.T) {
	keys := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, keys) }))
	t.Cleanup(source.Close)
	set, err := token.OpenJWKS(t.Context(), token.JWKSConfig{Source: source.URL, Algorithms: []string{"EdDSA"}, Unknown: time.Nanosecond, Part: "comet"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	v, err := token.New(token.Config{Keys: set})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(v, Config{Failures: 1})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("eyJhbGciOiJFZERTQSIsImtpZCI6ImsyIn0.e30." + strings.Repeat("A", 86))
	for i := range 5 {
		c, refused := d.Refuse(&comet.Connect{Body: body, RemoteIP: "192.0.2.1"})
		if !refused || c.Status != comet.StatusUnavailable || c.Retry != token.RetryKeys {
			t.Fatal(fmt.Sprint(i), refused, c)
		}
	}
}

// What panics over somebody's token ends that attempt, and is told; who comes
// next is judged as ever.
func TestPanic(t *testing.T) {
	broken := true
	v, err := token.New(token.Config{Algorithms: []string{"HS256"}, Key: secret, Clock: func() time.Time {
		if broken {
			panic("boom")
		}
		return noon
	}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	d, err := New(v, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	c := &comet.Connect{Body: []byte(sign(t, jwt.SigningMethodHS256, secret, nil)), RemoteIP: "192.0.2.1"}
	if answer, refused := d.Refuse(c); !refused || answer.Status != comet.StatusUnavailable {
		t.Errorf("%+v, %v", answer, refused)
	}
	if !strings.Contains(log.String(), "boom") || strings.Contains(log.String(), string(c.Body)) {
		t.Errorf("the log says %q", log.String())
	}
	broken = false
	if answer, refused := d.Refuse(c); refused {
		t.Errorf("the next one: %+v", answer)
	}
}
