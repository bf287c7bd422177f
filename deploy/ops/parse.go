package ops

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// errHelped says that --help was printed and there is nothing left to do.
var errHelped = errors.New("help was printed")

// parse fills a fresh copy of the grammar from args, environment and file.
func (a App) parse(args []string) (*parsed, error) {
	p := &parsed{app: &a, grammar: reflect.New(reflect.TypeOf(a.Grammar).Elem()).Interface()}
	helped := false
	k, err := kong.New(p.grammar,
		kong.Name(a.Name),
		kong.Description(a.Description),
		kong.Writers(a.Stdout, a.Stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Help(a.help),
		kong.ValueFormatter(describe),
		kong.PostBuild(a.nameEnvironment),
		kong.Bind(p),
	)
	if err != nil {
		return nil, fmt.Errorf("command table: %w", err)
	}
	p.ctx, err = k.Parse(args)
	if helped {
		return nil, errHelped
	}
	if err != nil {
		return nil, p.usage(k, err)
	}
	return p, nil
}

// nameEnvironment gives each flag its name in the environment. Kong's own
// DefaultEnvars would split names at digits as well.
func (a App) nameEnvironment(k *kong.Kong) error {
	if a.EnvPrefix == "" {
		return nil
	}
	return eachFlag(k.Model.Node, func(_ *kong.Node, f *kong.Flag) error {
		if f.Name != "help" && len(f.Envs) == 0 {
			f.Envs = []string{a.EnvPrefix + envName(f.Name)}
			f.Tag.Envs = f.Envs
		}
		return nil
	})
}

func envName(flag string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
}

// eachFlag visits the flags of node and of all commands below it.
func eachFlag(node *kong.Node, visit func(*kong.Node, *kong.Flag) error) error {
	for _, f := range node.Flags {
		if err := visit(node, f); err != nil {
			return err
		}
	}
	for _, child := range node.Children {
		if err := eachFlag(child, visit); err != nil {
			return err
		}
	}
	return nil
}

// usage turns a parse error into a UsageError with a hint at the right help,
// and takes secrets out of it: kong quotes the value that it could not parse.
func (p *parsed) usage(k *kong.Kong, err error) error {
	command := k.Model.Name
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		command = parse.Context.Selected().FullPath()
	}
	text := p.redact(k.Model.Node, oneLine(err))
	return &UsageError{Err: errors.New(text), Help: command}
}

func (p *parsed) redact(root *kong.Node, text string) string {
	_ = eachFlag(root, func(_ *kong.Node, f *kong.Flag) error {
		if !isSecret(f) {
			return nil
		}
		for _, env := range f.Envs {
			text = hide(text, os.Getenv(env))
		}
		if p.file != nil {
			for _, value := range p.file.named(f.Name) {
				text = hide(text, value)
			}
		}
		return nil
	})
	return text
}

func isSecret(f *kong.Flag) bool { return f.Tag.Has("secret") }

func hide(text, secret string) string {
	if secret == "" {
		return text
	}
	return strings.ReplaceAll(text, secret, hidden)
}

// hidden stands where a secret would.
const hidden = "***"
