package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oortim/oort/deploy/e2e/rig"
)

// What cannot work ends the process with one line that says what is wrong, at
// once and not after a minute of retries.
func TestFaultsAtStart(t *testing.T) {
	used := listen(t)
	closed := rig.FreePort(t, rig.Host())
	redis, kafka := rig.StartRedis(t), rig.StartKafka(t, bin)
	missing := filepath.Join(t.TempDir(), "missing")
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := rig.Host() + ":0"
	serve := []string{"serve", "--tcp", at, "--ws", at, "--http", at, "--admin", at}
	logic := []string{"logic", "--http", at, "--grpc", at, "--admin", at}
	comet := []string{"comet", "--name", "c1", "--tcp", at, "--ws", at, "--grpc", at, "--admin", at, "--logic", closed}
	job := []string{"job", "--admin", at, "--logic", closed}

	for _, tc := range []struct {
		name string
		args []string
		more []string
		code int
		want string
	}{
		{"no command", nil, nil, 2, "--help"},
		{"unknown command", []string{"sevre"}, nil, 2, "sevre"},
		{"unknown flag", serve, []string{"--tpc", "x"}, 2, "--tpc"},
		{"unknown engine", serve, []string{"--engine", "magic"}, 2, "magic"},
		{"no address", serve, []string{"--tcp", "here"}, 0, "here"},
		{"missing config file", serve, []string{"--config", missing}, 2, missing},
		{"garbage as config file", serve, []string{"--config", garbage}, 2, garbage},
		{"TCP port in use", serve, []string{"--tcp", used}, 1, used},
		{"WebSocket port in use", serve, []string{"--ws", used}, 1, used},
		{"HTTP port in use", serve, []string{"--http", used}, 1, used},
		{"admin port in use", serve, []string{"--admin", used}, 1, used},
		{"comet's gRPC port in use", comet, []string{"--grpc", used}, 1, used},
		{"admin for everybody", serve, []string{"--admin", "0.0.0.0:0"}, 2, "--admin-public"},
		{"no authentication for everybody", serve, []string{"--tcp", "0.0.0.0:0"}, 0, "open"},
		{"data directory is a file", serve, []string{"--data", garbage}, 0, garbage},
		{"no Redis", logic, []string{"--redis", closed, "--kafka", kafka.Addr}, 1, closed},
		{"no Kafka for logic", logic, []string{"--redis", redis.Addr, "--kafka", closed}, 1, closed},
		{"no Kafka for job", job, []string{"--kafka", closed}, 1, closed},
		{"missing API keys", serve, []string{"--api-keys", missing}, 0, missing},
		{"garbage as API keys", serve, []string{"--api-keys", garbage}, 0, garbage},
		{"API for everybody without keys", serve, []string{"--http", "0.0.0.0:0"}, 2, "--api-keys"},
		{"no key for tokens", serve, []string{"--auth", "jwt", "--jwt-alg", "ES256"}, 0, "--jwt-key"},
		{"missing key for tokens", serve, []string{"--auth", "jwt", "--jwt-alg", "ES256", "--jwt-key", missing}, 0, missing},
		{"garbage as key for tokens", serve, []string{"--auth", "jwt", "--jwt-alg", "ES256", "--jwt-key", garbage}, 0, garbage},
		{"no algorithm for tokens", serve, []string{"--auth", "jwt", "--jwt-key", garbage}, 0, "--jwt-alg"},
		{"no such algorithm for tokens", serve, []string{"--auth", "jwt", "--jwt-alg", "none", "--jwt-key", garbage}, 0, "none"},
		{"no service to ask", serve, []string{"--auth", "callback"}, 0, "--auth-url"},
		{"no URL of a service to ask", serve, []string{"--auth", "callback", "--auth-url", "here"}, 0, "--auth-url"},
		{"no prefix of proxies", serve, []string{"--proxy-from", "here"}, 2, "here"},
		{"no name for a comet", comet, []string{"--name", "a b"}, 2, "a b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := rig.Start(t, "oort", append(append([]string{bin.Oort}, tc.args...), tc.more...)...)
			code := p.Wait(t)
			if code <= 0 || tc.code != 0 && code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			checkOneLine(t, p.Lines(), tc.want)
		})
	}
}

// checkOneLine: the last line is oort's own and says want; before it there may
// be a log, but no second such line and no stack.
func checkOneLine(t *testing.T, lines []string, want string) {
	t.Helper()
	if len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], "oort: ") || !strings.Contains(lines[len(lines)-1], want) {
		t.Errorf("the last line is not %q with %q: %q", "oort: …", want, lines)
	}
	for i, line := range lines {
		own := strings.HasPrefix(line, "oort: ") && i < len(lines)-1
		if own || strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "goroutine ") || strings.HasPrefix(line, "ready ") {
			t.Errorf("line %d of what should be one: %q", i+1, line)
		}
	}
}

// listen holds an address for the time of the test.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", rig.Host()+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
