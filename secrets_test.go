package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// shown are flags that take a URL which is no secret: they name what a user of
// the command line talks to, and their credentials have flags of their own.
// --trace-url is refused if it has a password or a query in it.
var shown = []string{"api", "addr", "admin", "trace-url"}

// needed are the arguments that a command does not go without.
var needed = map[string][]string{
	"client join": {"live://1"},
	"client say":  {"hello"},
}

// secretFlags goes through all flags of all commands and returns, by command,
// those that are never to be printed; what by its name or kind holds a secret
// must say so by its tag.
func secretFlags(t *testing.T) map[string][]string {
	t.Helper()
	k, err := kong.New(new(commands), kong.Name("oort"), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string][]string{}
	var walk func(n *kong.Node, path []string)
	walk = func(n *kong.Node, path []string) {
		for _, f := range n.Flags {
			secret := f.Tag.Has("secret")
			if looksSecret(f) && !secret {
				t.Errorf("oort %s --%s has no tag `secret`", strings.Join(path, " "), f.Name)
			}
			if secret {
				command := strings.Join(path, " ")
				list[command] = append(list[command], f.Name)
			}
		}
		for _, child := range n.Children {
			walk(child, append(slices.Clone(path), child.Name))
		}
	}
	walk(k.Model.Node, nil)
	return list
}

func looksSecret(f *kong.Flag) bool {
	if strings.HasSuffix(f.Name, "-file") || slices.Contains(shown, f.Name) {
		return false
	}
	for _, word := range []string{"password", "token", "secret", "bearer", "credential"} {
		if strings.Contains(f.Name, word) {
			return true
		}
	}
	return strings.Contains(f.PlaceHolder, "URL") // which may have a password in it
}

// However secrets are given, as flags, by the environment or in the config file,
// neither `config show` nor an error prints one.
func TestSecretsAreNeverPrinted(t *testing.T) {
	flags := secretFlags(t)
	if len(flags) < 4 {
		t.Fatalf("only %d commands have secret flags: %v", len(flags), flags)
	}
	for command, names := range flags {
		for way, give := range ways {
			t.Run(command+"/"+way, func(t *testing.T) {
				args := give(t, append(strings.Fields(command), needed[command]...), names)
				code, said := run(append([]string{"config", "show"}, args...)...)
				if code != 0 || strings.Count(said, "***") < len(names) || strings.Contains(said, "hunter22") {
					t.Errorf("config show: exit code %d, %d of %d hidden, printed: %v\n%s", code,
						strings.Count(said, "***"), len(names), strings.Contains(said, "hunter22"), said)
				}
				code, said = run(append(args, "--no-such-flag")...)
				if code != 2 || strings.Contains(said, "hunter22") {
					t.Errorf("a wrong flag beside them: exit code %d: %s", code, said)
				}
			})
		}
	}
}

const secret = "https://oort:hunter22-Eiph4oof@example.com/keys"

// ways are those by which the secrets of a command can be given; each returns
// the arguments.
var ways = map[string]func(t *testing.T, command, names []string) []string{
	"flag": func(_ *testing.T, command, names []string) []string {
		for _, name := range names {
			command = append(command, "--"+name, secret)
		}
		return command
	},
	"environment": func(t *testing.T, command, names []string) []string {
		for _, name := range names {
			t.Setenv("OORT_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), secret)
		}
		return command
	},
	"file": func(t *testing.T, command, names []string) []string {
		text := ""
		for _, name := range names {
			text += name + ": " + secret + "\n"
		}
		file := filepath.Join(t.TempDir(), "oort.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return append([]string{"--config", file}, command...)
	},
}

func run(args ...string) (code int, said string) {
	var out bytes.Buffer
	a := app()
	a.Stdin, a.Stdout, a.Stderr = strings.NewReader(""), &out, &out
	return a.Main(args), out.String()
}
