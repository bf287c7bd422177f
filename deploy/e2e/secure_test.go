package e2e

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/oortim/oort/client"
	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
	"github.com/oortim/oort/deploy/ops/certs"
	"github.com/oortim/oort/deploy/ops/certs/certstest"
)

// Secrets of these tests: nobody may print them.
const (
	redisSecret = "redis-Aeghoo5i"
	kafkaSecret = "kafka-ohXah7ie"
	opsKey      = "ops-0123456789abcdef"
	pushKey     = "push-0123456789abcdef"
)

// secure is a cluster in which everybody proves who they are.
type secure struct {
	t     *testing.T
	ca    *certstest.CA
	dir   string // of the secrets
	redis string
	kafka string
	login ed25519.PrivateKey // signs tokens

	logic, comet, job *rig.Oort
	cometPair         certstest.Pair
	before            []string // what logic printed before it was killed
}

func (s *secure) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	write(s.t, path, text)
	return path
}

func startSecure(t *testing.T) *secure {
	t.Helper()
	s := &secure{t: t, ca: certstest.New(t), dir: t.TempDir()}
	s.startRedis()
	s.startKafka()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.login = private
	jwks := s.file("jwks.json", fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","use":"sig","x":%q}]}`,
		base64.RawURLEncoding.EncodeToString(public)))
	www := s.ca.Issue("www")
	s.logic = rig.StartOort(t, bin, "logic", append(s.parts("logic"), append(s.kafkaFlags(),
		"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--grpc-peers", "comet,job",
		"--http-cert", www.Cert, "--http-key", www.Key,
		"--api-keys", s.file("api-keys", "ops:"+opsKey+"\nchat:"+pushKey+":push\n"),
		"--redis", s.redis, "--redis-ca", s.ca.File, "--redis-password-file", s.file("redis", redisSecret+"\n"),
		"--auth", "jwt", "--jwt-alg", "EdDSA", "--jwks", jwks)...)...)
	cometFlags := s.parts("comet")
	s.comet = rig.StartOort(t, bin, "comet", append(cometFlags, "--name", "c1", "--tcp", "127.0.0.1:0", "--ws", "127.0.0.1:0",
		"--grpc", "127.0.0.1:0", "--grpc-peers", "job,logic", "--logic", s.logic.Addrs["grpc"], "--jwt-alg", "EdDSA", "--jwks", jwks)...)
	s.job = rig.StartOort(t, bin, "job", append(s.parts("job"), append(s.kafkaFlags(), "--logic", s.logic.Addrs["grpc"])...)...)
	for _, o := range []*rig.Oort{s.logic, s.comet, s.job} {
		o.WaitReady(t)
	}
	return s
}

// parts are the flags that a part of that name proves itself with.
func (s *secure) parts(name string) []string {
	pair := s.ca.Issue(name)
	if name == "comet" {
		s.cometPair = pair
	}
	return []string{"--admin", "127.0.0.1:0", "--grpc-cert", pair.Cert, "--grpc-key", pair.Key, "--grpc-ca", s.ca.File}
}

func (s *secure) kafkaFlags() []string {
	return []string{"--kafka", s.kafka, "--kafka-ca", s.ca.File, "--kafka-sasl", "scram-sha-512",
		"--kafka-user", "oort", "--kafka-password-file", s.file("kafka", kafkaSecret+"\n")}
}

// startRedis runs a Redis that speaks TLS only.
func (s *secure) startRedis() {
	s.t.Helper()
	s.redis = rig.FreePort(s.t, "127.0.0.1")
	_, port, _ := net.SplitHostPort(s.redis)
	pair := s.ca.Issue("redis")
	rig.Start(s.t, "redis", "redis-server", "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--dir", s.t.TempDir(), "--save", "",
		"--tls-cert-file", pair.Cert, "--tls-key-file", pair.Key, "--tls-ca-cert-file", s.ca.File, "--tls-auth-clients", "no",
		"--requirepass", redisSecret)
	c, err := certs.Open(certs.Config{CA: s.ca.File, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	rig.WaitFor(s.t, "redis answers", func() error {
		conn, err := c.DialContext(s.t.Context(), "tcp", s.redis)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// startKafka runs a broker with TLS and SASL in this process.
func (s *secure) startKafka() {
	s.t.Helper()
	pair := s.ca.Issue("kafka")
	cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "oort", kafkaSecret),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(k.Close)
	s.kafka = k.ListenAddrs()[0]
}

// token lets its bearer in, into some rooms.
func (s *secure) token(mid int64, rooms ...string) string {
	s.t.Helper()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"mid": mid, "exp": time.Now().Add(time.Hour).Unix(), "rooms": rooms})
	t.Header["kid"] = "k1"
	text, err := t.SignedString(s.login)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s *secure) dial(key, room, token string, handle func(client.Message)) (*client.Client, error) {
	return client.Dial(s.t.Context(), client.Options{
		Addr: "tcp://" + s.comet.Addrs["tcp"], Key: key, Room: room, Token: token, Handle: handle, Timeout: rig.Patience,
	})
}

// pusher pushes with a key, over HTTPS.
func (s *secure) pusher(key string) *push.Client {
	s.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(s.t, s.ca.File)))
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &push.Client{API: "https://" + s.logic.Addrs["http"], Key: key, HTTP: &http.Client{Transport: tr}}
}

// Three processes that believe nobody without proof, a Redis and a Kafka that
// want TLS and a password, clients with tokens, pushers with keys over HTTPS:
// what should get through does, what should not does not, and no secret is
// printed on the way.
func TestSecureCluster(t *testing.T) {
	s := startSecure(t)
	got := make(chan string, 16)
	good := s.token(7, "live://*")
	c, err := s.dial("a", "live://1", good, func(m client.Message) { got <- string(m.Body) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { c.Close(); <-c.Done() }()
	deliver := func(p push.Push) {
		t.Helper()
		p.Op = op
		if err := store(s.pusher(pushKey), p); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-got:
			if m != string(p.Body) {
				t.Errorf("got %q, want %q", m, p.Body)
			}
		case <-time.After(rig.Patience):
			t.Fatalf("%q did not arrive", p.Body)
		}
	}
	deliver(push.Push{Keys: []string{"a"}, Body: []byte("to the key")})
	deliver(push.Push{Room: "live://1", Body: []byte("to the room")})

	if other, err := s.dial("b", "game://1", good, nil); err == nil {
		other.Close()
		t.Error("a token for live://* opened game://1")
	}
	for _, step := range []struct {
		room string
		err  error
	}{{"game://1", client.ErrRoomDenied}, {"live://2", nil}, {"live://1", nil}} {
		if err := c.ChangeRoom(t.Context(), step.room); !errors.Is(err, step.err) {
			t.Errorf("to %s: %v, want %v", step.room, err, step.err)
		}
	}
	testForged(t, s, good)
	if err := s.kick(pushKey); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a pusher's key kicked: %v", err)
	}

	t.Run("strangers", func(t *testing.T) { testStrangers(t, s) })
	t.Run("renewal", func(t *testing.T) { testRenewal(t, s) })
	deliver(push.Push{Mids: []int64{7}, Body: []byte("after logic came back")})

	if err := s.kick(opsKey); err != nil {
		t.Errorf("kick: %v", err)
	}
	select {
	case <-c.Done():
	case <-time.After(rig.Patience):
		t.Error("the kicked link stays")
	}
	rig.WaitFor(t, "the kick is in the audit log", func() error {
		for _, line := range s.logic.Lines() {
			if strings.Contains(line, "audit.who=ops audit.from=127.0.0.1 audit.status=200 audit.method=POST audit.path=/v1/kick") {
				return nil
			}
		}
		return fmt.Errorf("no line of it")
	})
	for _, o := range []*rig.Oort{s.logic, s.comet, s.job} {
		all := strings.Join(append(o.Lines(), s.before...), "\n")
		for _, secret := range []string{redisSecret, kafkaSecret, opsKey, pushKey, good} {
			if strings.Contains(all, secret) {
				t.Errorf("%s printed a secret (%.5s…)", o.Name, secret)
			}
		}
	}
}

// kick closes the link of key a.
func (s *secure) kick(key string) error {
	p := s.pusher(key)
	ctx, cancel := context.WithTimeout(s.t.Context(), rig.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.API+"/v1/kick", strings.NewReader(`{"key":"a","reason":"banned"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := p.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

// testForged: a token whose signature is not that of the login service is
// refused by the comet, as logic would refuse it, and logic is not asked.
func testForged(t *testing.T, s *secure, good string) {
	t.Helper()
	verdicts := func() (lines []string) {
		_, body, err := s.logic.Admin("/metrics")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "oort_logic_auth_total") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	before := verdicts()
	forged := good[:len(good)-4] + "AAAA"
	var refused *client.DisconnectError
	if _, err := s.dial("f", "live://1", forged, nil); !errors.As(err, &refused) || refused.Code != client.CodeAuthDenied {
		t.Errorf("a forged token: %v", err)
	}
	if after := verdicts(); len(before) == 0 || !slices.Equal(before, after) {
		t.Errorf("logic was asked: %q, before %q", after, before)
	}
	if _, body, _ := s.comet.Admin("/metrics"); !strings.Contains(body, `oort_comet_door_total{verdict="denied"} 1`) ||
		!strings.Contains(body, `oort_comet_auth_refused_total{status="denied"} 2`) {
		t.Error("the comet did not count the refusal")
	}
}

// testStrangers: a comet of another authority, one in plaintext and one whose
// name is not wanted are refused, and logic's log says why.
func testStrangers(t *testing.T, s *secure) {
	other := certstest.New(t)
	stranger, misnamed := other.Issue("comet"), s.ca.Issue("mallory")
	for name, row := range map[string]struct {
		flags []string
		says  string
	}{
		"another authority": {[]string{"--grpc-cert", stranger.Cert, "--grpc-key", stranger.Key, "--grpc-ca", s.ca.File}, "unknown authority"},
		"another name":      {[]string{"--grpc-cert", misnamed.Cert, "--grpc-key", misnamed.Key, "--grpc-ca", s.ca.File}, "mallory"},
		"plaintext":         {nil, "does not look like a TLS handshake"},
	} {
		before := len(s.logic.Lines())
		p := rig.Start(t, "stranger", append([]string{bin.Oort, "comet", "--name", "x", "--tcp", "127.0.0.1:0", "--ws", "",
			"--grpc", "127.0.0.1:0", "--admin", "", "--logic", s.logic.Addrs["grpc"]}, row.flags...)...)
		rig.WaitFor(t, name+" is told of in logic's log", func() error {
			for _, line := range s.logic.Lines()[before:] {
				if strings.Contains(line, "a gRPC caller was refused") && strings.Contains(line, row.says) {
					return nil
				}
			}
			return fmt.Errorf("no line with %q", row.says)
		})
		p.Kill()
		if slices.ContainsFunc(p.Lines(), func(line string) bool { return strings.HasPrefix(line, "ready ") }) {
			t.Errorf("%s: it got ready", name)
		}
	}
}

// testRenewal: certificates and password files are replaced while all run; logic
// is killed and comes back, and everybody finds one another again with what the
// files say now.
func testRenewal(t *testing.T, s *secure) {
	s.ca.Replace(s.cometPair, time.Now().Add(time.Hour), "comet")
	rested := time.Now().Add(-2 * time.Second) // a file that has just been written is not read yet
	for _, path := range []string{s.cometPair.Cert, s.cometPair.Key} {
		if err := os.Chtimes(path, rested, rested); err != nil {
			t.Fatal(err)
		}
	}
	s.logic.Kill()
	s.before = s.logic.Lines()
	s.logic.Restart(s.t) // it is to outlive this part of the test
	s.logic.WaitReady(t)
	s.comet.WaitReady(t)
	rig.WaitFor(t, "the comet has read its certificate again", func() error {
		if !slices.ContainsFunc(s.comet.Lines(), func(line string) bool { return strings.Contains(line, "was read again") }) {
			return fmt.Errorf("no line of it")
		}
		return nil
	})
}

// TestSecretsAreNotShown: however a secret is given, `config show` hides it, and
// the file's name is no secret.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "oort.yaml")
	write(t, config, "logic:\n  redis-sentinel-password: "+redisSecret+"\n  redis-password-file: /run/secrets/redis\n")
	cmd := exec.Command(bin.Oort, "config", "show", "--config", config, "logic", "--kafka-password", kafkaSecret,
		"--jwks", "https://login.example/"+opsKey)
	cmd.Env = append(os.Environ(), "OORT_REDIS_PASSWORD="+pushKey, rig.RaceEnv)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, secret := range []string{redisSecret, kafkaSecret, opsKey, pushKey} {
		if strings.Contains(string(out), secret) {
			t.Errorf("config show prints %.5s…", secret)
		}
	}
	if n := strings.Count(string(out), "***"); n != 4 || !strings.Contains(string(out), "/run/secrets/redis") {
		t.Errorf("%d hidden values of 4, or no file's name:\n%s", n, out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
