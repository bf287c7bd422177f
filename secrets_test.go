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
var shown = []string{"api", "addr", "admin"}

// needed are the arguments that a command does not go without.
var needed = map[string][]string{
	"client join": {"live://1"},
	"client say":  {"hello"},
}

// secretFlag is a flag of a command that is never to be printed.
type secretFlag struct{ command, name string }

// secretFlags goes through all flags of all commands; those that by their name
// or kind hold a secret must say so by their tag.
func secretFlags(t *testing.T) (list []secretFlag) {
	t.Helper()
	k, err := kong.New(new(commands), kong.Name("oort"), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(n *kong.Node, path []string)
	walk = func(n *kong.Node, path []string) {
		for _, f := range n.Flags {
			secret := f.Tag.Has("secret")
			if looksSecret(f) && !secret {
				t.Errorf("oort %s --%s has no tag `secret`", strings.Join(path, " "), f.Name)
			}
			if secret {
				list = append(list, secretFlag{strings.Join(path, " "), f.Name})
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

// However a secret is given, as a flag, by the environment or in the config
// file, neither `config show` nor an error prints it.
func TestSecretsAreNeverPrinted(t *testing.T) {
	const value = "https://oort:hunter22-Eiph4oof@example.com/keys"
	flags := secretFlags(t)
	if len(flags) < 8 {
		t.Fatalf("only %d secret flags were found: %v", len(flags), flags)
	}
	for _, f := range flags {
		command := append(strings.Fields(f.command), needed[f.command]...)
		file := filepath.Join(t.TempDir(), "oort.yaml")
		var text string
		for depth, word := range strings.Fields(f.command) {
			text += strings.Repeat("  ", depth) + word + ":\n"
		}
		text += strings.Repeat("  ", len(strings.Fields(f.command))) + f.name + ": " + value + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for way, given := range map[string]struct {
			before, after []string
			env           string
		}{
			"flag":        {after: []string{"--" + f.name, value}},
			"environment": {env: value},
			"file":        {before: []string{"--config", file}},
		} {
			t.Run(f.command+"/"+f.name+"/"+way, func(t *testing.T) {
				if given.env != "" {
					t.Setenv("OORT_"+strings.ToUpper(strings.ReplaceAll(f.name, "-", "_")), given.env)
				}
				args := slices.Concat(given.before, command, given.after)
				code, said := run(slices.Concat([]string{"config", "show"}, args)...)
				if code != 0 || !strings.Contains(said, "***") || strings.Contains(said, "hunter22") {
					t.Errorf("config show: exit code %d, hidden: %v, printed: %v\n%s", code,
						strings.Contains(said, "***"), strings.Contains(said, "hunter22"), said)
				}
				code, said = run(append(args, "--no-such-flag")...)
				if code != 2 || strings.Contains(said, "hunter22") {
					t.Errorf("a wrong flag beside it: exit code %d: %s", code, said)
				}
			})
		}
	}
}

func run(args ...string) (code int, said string) {
	var out bytes.Buffer
	a := app()
	a.Stdin, a.Stdout, a.Stderr = strings.NewReader(""), &out, &out
	return a.Main(args), out.String()
}
