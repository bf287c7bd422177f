package ops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// table is a program like oort, with one of each kind of flag.
type table struct {
	Globals
	Serve   serveCmd   `cmd:"" help:"Run it all."`
	Comet   cometCmd   `cmd:"" help:"Hold links."`
	Logic   logicCmd   `cmd:"" help:"Know who is where."`
	Client  clientCmd  `cmd:"" help:"Look in."`
	Config  ConfigCmd  `cmd:"" help:"Show or check the configuration."`
	Version VersionCmd `cmd:"" help:"Print the version."`
}

type serveCmd struct {
	TCP      string        `name:"tcp" default:"127.0.0.1:3101" placeholder:"HOST:PORT" help:"Address for TCP."`
	Engine   string        `default:"epoll" enum:"epoll,std" help:"One of ${enum}."`
	Drain    time.Duration `default:"10s" help:"How long."`
	MaxLinks int           `default:"1000" help:"Most links."`
	Sync     bool          `name:"sync-writes" help:"Sync."`
	Password string        `secret:"" help:"A secret."`
	Pin      int           `secret:"" help:"A secret number."`
}

func (c *serveCmd) Examples() string {
	return `
	oort serve
	oort serve --engine std`
}

func (c *serveCmd) Validate() error {
	if c.MaxLinks < 1 {
		return fmt.Errorf("--max-links must be at least 1, not %d", c.MaxLinks)
	}
	return nil
}

func (c *serveCmd) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	log.Debug("running")
	_, err := fmt.Fprintf(out, "tcp=%s engine=%s drain=%s max=%d sync=%t password=%s\n",
		c.TCP, c.Engine, c.Drain, c.MaxLinks, c.Sync, c.Password)
	return err
}

type cometCmd struct {
	TCP   string   `name:"tcp" default:"127.0.0.1:3101" help:"Address for TCP."`
	Logic []string `default:"127.0.0.1:3119" help:"Where logic is."`
}

func (c *cometCmd) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, c.TCP, strings.Join(c.Logic, "|"))
	return err
}

type logicCmd struct {
	Redis string `required:"" help:"Where Redis is."`
}

func (c *logicCmd) Run() error { return errors.Join(errors.New("first"), errors.New("second")) }

type clientCmd struct {
	Join joinCmd `cmd:"" help:"Join a room."`
}

type joinCmd struct {
	Room string `arg:"" help:"The room."`
	Addr string `default:"tcp://127.0.0.1:3101" help:"Where."`
}

func (c *joinCmd) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, c.Room, c.Addr)
	return err
}

// run runs the program and returns its exit code and what it printed.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	app := App{Name: "oort", Description: "A gateway.", Grammar: &table{}, Fallback: "serve", EnvPrefix: "OORT_",
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs}
	code = app.Main(args)
	return code, out.String(), errs.String()
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oort.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "tcp: top:1\ncomet:\n  tcp: section:1\n  logic: [a:1, b:2]\n")
	for _, tc := range []struct {
		name string
		env  string
		args []string
		want string
	}{
		{"default", "", []string{"serve"}, "tcp=127.0.0.1:3101"},
		{"top of the file", "", []string{"serve", "--config", file}, "tcp=top:1"},
		{"section of the file", "", []string{"comet", "--config", file}, "section:1 a:1|b:2"},
		{"environment over file", "env:1", []string{"comet", "--config", file}, "env:1 a:1|b:2"},
		{"flag over environment", "env:1", []string{"comet", "--tcp", "flag:1", "--config", file}, "flag:1"},
		{"list as a flag", "", []string{"comet", "--logic", "x:1,y:2"}, "127.0.0.1:3101 x:1|y:2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.env != "" {
				t.Setenv("OORT_TCP", tc.env)
			}
			code, out, errs := run(t, tc.args...)
			if code != 0 || !strings.HasPrefix(out, tc.want) {
				t.Errorf("exit %d, %q, %q; want %q", code, out, errs, tc.want)
			}
		})
	}
}

func TestConfigFromEnvironment(t *testing.T) {
	t.Setenv("OORT_CONFIG", writeFile(t, "serve: {max-links: 7}\n"))
	if _, out, _ := run(t, "serve"); !strings.Contains(out, "max=7") {
		t.Errorf("file of OORT_CONFIG was not read: %q", out)
	}
}

// Each mistake is one line that says where and what, and exit code 2.
func TestMistakesInFile(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"unknown name", "tcp: a:1\nadress: b\n", `oort.yaml:2: unknown name "adress"`},
		{"unknown in section", "serve:\n  logic: x\n", `oort.yaml:2: unknown name "logic" for oort serve`},
		{"unknown section", "sevre:\n  tcp: x\n", `oort.yaml:1: unknown name "sevre"`},
		{"empty section", "serve:\n", `oort.yaml:1: section "serve" needs names and values`},
		{"twice", "tcp: a\ntcp: b\n", `oort.yaml:2: "tcp" is set twice, first in line 1`},
		{"no value", "serve:\n  tcp:\n", `oort.yaml:2: no value`},
		{"wrong type", "serve:\n  max-links: many\n", `--max-links: `},
		{"wrong type, line", "serve:\n  max-links: many\n", `oort.yaml:2: `},
		{"wrong in a section that does not run", "comet: {logic: [a]}\nserve: {drain: soon}\n", `oort.yaml:2: `},
		{"wrong choice", "serve:\n  engine: fast\n", `oort.yaml:2: must be one of epoll, std, not "fast"`},
		{"list for one", "serve:\n  tcp: [a, b]\n", `oort.yaml:2: want one plain value`},
		{"list of lists", "comet:\n  logic: [[a]]\n", `oort.yaml:2: want a list of plain values`},
		{"the file in the file", "config: other.yaml\n", `oort.yaml:1: section "config" needs`},
		{"not a mapping", "- a\n", `oort.yaml:1: want name: value`},
		{"two documents", "tcp: a\n---\ntcp: b\n", "more than one YAML document"},
		{"no YAML", "tcp: \"a\n", "oort.yaml"},
		{"validation", "serve:\n  max-links: 0\n", "--max-links must be at least 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, errs := run(t, "serve", "--config", writeFile(t, tc.text))
			if code != 2 || !strings.Contains(errs, tc.want) || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "oort: ") {
				t.Errorf("exit %d, %q; want 2 and %q in one line", code, errs, tc.want)
			}
		})
	}
}

func TestMistakesInArguments(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unknown flag", []string{"serve", "--tpc", "x"}, 2, "unknown flag --tpc, did you mean \"--tcp\"? (see oort serve --help)"},
		{"unknown command", []string{"sreve"}, 2, "(see oort --help)"},
		{"no command", nil, 2, "(see oort --help)"},
		{"wrong choice", []string{"serve", "--engine", "x"}, 2, "--engine must be one of"},
		{"missing flag", []string{"logic"}, 2, "--redis"},
		{"missing file", []string{"serve", "--config", "no/such.yaml"}, 2, "no/such.yaml"},
		{"command fails", []string{"logic", "--redis", "x"}, 1, "oort: first; second\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, errs := run(t, tc.args...)
			if code != tc.code || !strings.Contains(errs, tc.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit %d, %q; want %d and %q in one line", code, errs, tc.code, tc.want)
			}
		})
	}
}

func TestConfigShow(t *testing.T) {
	file := writeFile(t, "drain: 3s\nserve:\n  max-links: 7\n  password: hunter2\n")
	t.Setenv("OORT_ENGINE", "std")
	code, out, errs := run(t, "config", "show", "--config", file, "serve", "--tcp", "a:1")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for name, want := range map[string][2]string{
		"tcp":         {"a:1", "# flag"},
		"engine":      {"std", "# env OORT_ENGINE"},
		"drain":       {"3s", "oort.yaml:1"},
		"max-links":   {"7", "oort.yaml:3"},
		"sync-writes": {"false", "# default"},
		"password":    {"***", "oort.yaml:4"},
		"config":      {file, "# flag"},
	} {
		line := lineOf(out, name+":")
		if !strings.Contains(line, want[0]) || !strings.Contains(line, want[1]) {
			t.Errorf("%s: %q, want %q", name, line, want)
		}
	}
	if strings.Contains(out+errs, "hunter2") {
		t.Error("a secret was printed")
	}
}

func lineOf(text, prefix string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

func TestConfigCheck(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		args       []string
		code       int
		want       string
	}{
		{"fallback", "log-level: debug\n", nil, 0, "ok: serve\n"},
		{"sections", "comet: {tcp: 'a:1'}\nlogic: {redis: 'r:1'}\n", nil, 0, "ok: comet, logic\n"},
		{"named", "logic: {redis: 'r:1'}\n", []string{"logic"}, 0, "ok: logic\n"},
		{"needs an argument", "client: {join: {addr: x}}\n", nil, 0, "ok: serve\n"},
		{"incomplete", "comet: {tcp: 'a:1'}\n", []string{"logic"}, 2, "--redis"},
		{"invalid", "comet: {tcp: 'a:1'}\nserve: {max-links: 0}\n", nil, 2, "--max-links"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"config", "check", "--config", writeFile(t, tc.text)}, tc.args...)
			code, out, errs := run(t, args...)
			if code != tc.code || !strings.Contains(out+errs, tc.want) {
				t.Errorf("exit %d, %q %q; want %d, %q", code, out, errs, tc.code, tc.want)
			}
		})
	}
}

func TestStrayEnvironmentIsTold(t *testing.T) {
	t.Setenv("OORT_ENGINE", "std")
	t.Setenv("OORT_ENGIN", "std")
	for _, command := range []string{"check", "show"} {
		code, out, _ := run(t, "config", command)
		if code != 0 || strings.Count(out, "which no command knows") != 1 || !strings.Contains(out, "has OORT_ENGIN,") {
			t.Errorf("config %s: exit %d\n%s", command, code, out)
		}
	}
}

// Kong quotes what it could not parse; of a secret nobody may see that.
func TestSecretNotInErrors(t *testing.T) {
	t.Run("environment", func(t *testing.T) {
		t.Setenv("OORT_PIN", "s3cret")
		code, out, errs := run(t, "serve")
		if code != 2 || strings.Contains(out+errs, "s3cret") || !strings.Contains(errs, "OORT_PIN") {
			t.Errorf("exit %d: %s", code, errs)
		}
	})
	t.Run("file", func(t *testing.T) {
		code, out, errs := run(t, "serve", "--config", writeFile(t, "serve: {pin: s3cret}\n"))
		if code != 2 || strings.Contains(out+errs, "s3cret") || !strings.Contains(errs, "--pin") {
			t.Errorf("exit %d: %s", code, errs)
		}
	})
}

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "100") // the width that help is wrapped at
	code, out, errs := run(t, "serve", "--help")
	if code != 0 || errs != "" {
		t.Errorf("exit %d, %q", code, errs)
	}
	for _, want := range []string{"Usage: oort serve", "($OORT_MAX_LINKS)", "(default 127.0.0.1:3101", "\nExamples:\n  oort serve\n  oort serve --engine std\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if code, out, _ := run(t, "logic", "--help"); code != 0 || strings.Contains(out, "Examples:") {
		t.Errorf("help of a command with a required flag and no examples: exit %d\n%s", code, out)
	}
}

func TestVersion(t *testing.T) {
	if code, out, _ := run(t, "version"); code != 0 || !strings.HasPrefix(out, "oort ") {
		t.Errorf("exit %d: %q", code, out)
	}
	if code, out, _ := run(t, "version", "--json"); code != 0 || !strings.Contains(out, `"go":"go1.`) {
		t.Errorf("exit %d: %q", code, out)
	}
}

func TestLog(t *testing.T) {
	if _, _, errs := run(t, "serve", "--log-level", "debug", "--log-format", "json"); !strings.Contains(errs, `"msg":"running"`) {
		t.Errorf("no JSON line at debug: %q", errs)
	}
	if _, _, errs := run(t, "serve"); errs != "" {
		t.Errorf("debug line at info: %q", errs)
	}
}
