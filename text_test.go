package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// Everything in the repository that shows how oort is called is called here, as
// far as its parser: a flag that was renamed breaks a test and not a reader. In
// this process, since to start a program with the race detector for each of some
// two hundred lines took a minute.

// etc is a directory that stands for /etc/oort: the example configurations and
// the files that they name.
func etc(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	examples, err := filepath.Glob("deploy/config/*.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no example configurations: %v", err)
	}
	for _, path := range examples {
		write(t, filepath.Join(dir, filepath.Base(path)), strings.ReplaceAll(read(t, path), "/etc/oort/", dir+"/"))
	}
	write(t, filepath.Join(dir, "oort.yaml"), "log-format: json\n")
	write(t, filepath.Join(dir, "api-keys"), "me:0123456789abcdef0123456789abcdef\n")
	for _, name := range []string{"jwt.pem", "regions", "networks", "GeoLite2-City.mmdb", "otel-headers"} {
		write(t, filepath.Join(dir, name), "")
	}
	return dir
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

// parses has oort parse args, as it would to run them, with only env in the
// environment.
func parses(t *testing.T, env, args []string) {
	t.Helper()
	alone(t, env)
	if code, said := run(append([]string{"config", "check"}, args...)...); code != 0 {
		t.Errorf("%q %q: exit code %d: %s", env, args, code, said)
	}
}

// alone leaves nothing for oort in the environment but env, until the test ends.
func alone(t *testing.T, env []string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OORT_") {
			t.Setenv(name, value) // to have it back in the end
			os.Unsetenv(name)
		}
	}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

func TestExampleConfigurations(t *testing.T) {
	dir := etc(t)
	for _, name := range []string{"serve", "comet", "logic", "job"} {
		parses(t, nil, []string{"--config", filepath.Join(dir, name+".yaml")})
		parses(t, nil, []string{"--config", filepath.Join(dir, name+".yaml"), name})
	}
}

func TestUnits(t *testing.T) {
	dir := etc(t)
	units, err := filepath.Glob("deploy/systemd/*.service")
	if err != nil || len(units) != 3 {
		t.Fatalf("units %q, %v", units, err)
	}
	for _, unit := range units {
		for line := range strings.Lines(read(t, unit)) {
			if command, ok := strings.CutPrefix(line, "ExecStart=/usr/local/bin/oort "); ok {
				parses(t, nil, strings.Fields(strings.ReplaceAll(command, "/etc/oort/", dir+"/")))
			}
		}
	}
}

// composeFile is what of a compose file concerns oort.
type composeFile struct {
	Services map[string]struct {
		Image       string            `yaml:"image"`
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		Secrets     []string          `yaml:"secrets"`
		DependsOn   map[string]struct {
			Condition string `yaml:"condition"`
		} `yaml:"depends_on"`
		Healthcheck struct {
			Test []string `yaml:"test"`
		} `yaml:"healthcheck"`
	} `yaml:"services"`
	Secrets map[string]any `yaml:"secrets"`
}

func TestCompose(t *testing.T) {
	dir := etc(t)
	var file composeFile
	if err := yaml.Unmarshal([]byte(read(t, "deploy/compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	ours := 0
	for name, s := range file.Services {
		if len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		for needed, how := range s.DependsOn {
			if _, ok := file.Services[needed]; !ok || how.Condition != "service_healthy" {
				t.Errorf("%s depends on %s, %q", name, needed, how.Condition)
			}
		}
		for _, secret := range s.Secrets {
			if _, ok := file.Secrets[secret]; !ok {
				t.Errorf("%s needs the secret %s, which is not declared", name, secret)
			}
		}
		if s.Image != "oort" {
			continue
		}
		ours++
		var env []string
		help := helpOf(t, s.Command...)
		for key, value := range s.Environment {
			if !strings.Contains(help, "$"+key+")") {
				t.Errorf("%s: %s is no variable of oort %s", name, key, s.Command)
			}
			env = append(env, key+"="+strings.ReplaceAll(value, "/run/secrets/", dir+"/"))
		}
		parses(t, env, s.Command)
		if test := s.Healthcheck.Test; test[0] != "CMD" || test[1] != "/oort" {
			t.Errorf("%s: health check %q: the image has nothing but /oort", name, test)
		} else {
			parses(t, nil, test[2:])
		}
	}
	if ours != 4 {
		t.Errorf("%d services run oort, want 2 comets, logic and job", ours)
	}
}

func helpOf(t *testing.T, command ...string) string {
	t.Helper()
	alone(t, []string{"COLUMNS=100"})
	code, said := run(append(slices.Clone(command), "--help")...)
	if code != 0 {
		t.Fatalf("oort %s --help: exit code %d: %s", command, code, said)
	}
	return said
}

// TestCommandsInText runs each line that begins with oort, in the documents and
// in the examples of --help, through the parser.
func TestCommandsInText(t *testing.T) {
	dir := etc(t)
	texts := map[string]string{}
	for _, path := range []string{"README.md", "docs/operating.md", "docs/bench.md", "deploy/compose.yaml"} {
		texts[path] = read(t, path)
	}
	for _, command := range []string{"serve", "comet", "logic", "job", "drops", "health", "config show", "config check", "client join", "client send",
		"bench push", "bench suite", "bench floor", "bench echo", "bench io accept", "bench io idle", "bench io echo",
		"bench million", "bench io heartbeat", "bench io fanout", "bench io churn", "bench io slow", "bench io mixed"} {
		texts["oort "+command+" --help"] = helpOf(t, strings.Fields(command)...)
	}
	for from, text := range texts {
		found := 0
		for line := range strings.Lines(text) {
			if strings.HasSuffix(from, ".md") && !strings.HasPrefix(line, "    ") {
				continue // prose
			}
			if env, args, ok := commandIn(line, dir); ok {
				found++
				parses(t, env, args)
			}
		}
		if found == 0 && from != "deploy/compose.yaml" {
			t.Errorf("no command found in %s", from)
		}
	}
}

// TestLinksInText follows each link from a document to a file.
func TestLinksInText(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):]+)\)`) // no colon: not https://
	documents, err := filepath.Glob("docs/*.md")
	if err != nil || len(documents) < 2 {
		t.Fatalf("documents %q, %v", documents, err)
	}
	for _, path := range append(documents, "README.md") {
		for _, found := range link.FindAllStringSubmatch(read(t, path), -1) {
			target, _, _ := strings.Cut(found[1], "#")
			if target == "" {
				continue // within the document
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), target)); err != nil {
				t.Errorf("%s links to %s: %v", path, found[1], err)
			}
		}
	}
}

// commandIn reads "VAR=value oort ARGS... | …  # comment".
func commandIn(line, etc string) (env, args []string, ok bool) {
	line = strings.TrimSpace(line)
	words := words(line)
	for len(words) > 0 && strings.HasPrefix(words[0], "OORT_") {
		env, words = append(env, words[0]), words[1:]
	}
	switch {
	case len(words) > 1 && words[0] == "oort":
		args = words[1:]
	case len(words) > 3 && slices.Equal(words[:3], []string{"go", "run", "."}):
		args = words[3:]
	default:
		return nil, nil, false
	}
	for i, w := range args {
		w = strings.ReplaceAll(w, "/etc/oort/", etc+"/")
		if w == "oort.yaml" || strings.HasSuffix(w, ".yaml") && !filepath.IsAbs(w) {
			w = filepath.Join(etc, filepath.Base(w))
		}
		args[i] = w
	}
	for i, e := range env {
		env[i] = strings.ReplaceAll(e, "/etc/oort/", etc+"/")
	}
	// --help, which is no command to parse, and places for others' words.
	if slices.Contains(args, "--help") || strings.ToUpper(args[0]) == args[0] {
		return nil, nil, false
	}
	return env, args, true
}

// words splits line as a shell would, up to what is not part of the command: a
// comment, a pipe, a redirection, an ampersand.
func words(line string) []string {
	var all []string
	var word strings.Builder
	var quote rune
	open := false
	end := func() {
		if open {
			all = append(all, word.String())
		}
		word.Reset()
		open = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == ' ':
			end()
		case strings.ContainsRune("|&><;`", r), r == '#' && !open:
			end()
			return all
		default:
			word.WriteRune(r)
			open = true
		}
	}
	end()
	return all
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		`oort serve`:                            {"oort", "serve"},
		`A=b oort x 'two words' "" --y=1 # no`:  {"A=b", "oort", "x", "two words", "", "--y=1"},
		`oort client join live://1#2 | jq .x`:   {"oort", "client", "join", "live://1#2"},
		`oort logic --redis 127.0.0.1:6379 &`:   {"oort", "logic", "--redis", "127.0.0.1:6379"},
		"oort COMMAND --help` shows what is so": {"oort", "COMMAND", "--help"},
	} {
		if got := words(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
