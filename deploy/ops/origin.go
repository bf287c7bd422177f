package ops

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// setting is one effective value and its origin.
type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// settings lists the flags of the command that was parsed, its own first.
func (p *parsed) settings() []setting {
	given := map[*kong.Flag]bool{}
	for _, step := range p.ctx.Path {
		if step.Flag != nil && !step.Resolved {
			given[step.Flag] = true
		}
	}
	var list []setting
	for node := p.ctx.Selected(); node != nil; node = node.Parent {
		for _, f := range node.Flags {
			if f.Name != "help" {
				list = append(list, setting{f.Name, shown(f), p.origin(f, given[f])})
			}
		}
	}
	return list
}

func (p *parsed) origin(f *kong.Flag, given bool) string {
	if given {
		return "flag"
	}
	if env := envOf(f); env != "" {
		return "env " + env
	}
	if p.file != nil {
		if v := p.file.lookup(p.ctx.Selected(), f); v != nil {
			return fmt.Sprintf("%s:%d", p.file.path, v.node.Line)
		}
	}
	return "default"
}

// strayEnvironment are the variables that have the program's prefix and set
// nothing: misspelled ones, most likely. They are no error, since others set
// such names too (Kubernetes does for a service of the program's name).
func (p *parsed) strayEnvironment() []string {
	if p.app.EnvPrefix == "" {
		return nil
	}
	known := map[string]bool{}
	_ = eachFlag(p.ctx.Model.Node, func(_ *kong.Node, f *kong.Flag) error {
		for _, name := range f.Envs {
			known[name] = true
		}
		return nil
	})
	var stray []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, p.app.EnvPrefix) && !known[name] {
			stray = append(stray, name)
		}
	}
	slices.Sort(stray)
	return stray
}

// shown is the value as a flag would take it; of a secret only whether it is
// set.
func shown(f *kong.Flag) string {
	switch {
	case isSecret(f) && !f.Target.IsZero():
		return hidden
	case f.Target.Kind() == reflect.Pointer && f.Target.IsNil():
		return ""
	case f.IsSlice():
		texts := make([]string, f.Target.Len())
		for i := range texts {
			texts[i] = fmt.Sprint(f.Target.Index(i).Interface())
		}
		return strings.Join(texts, ",")
	default:
		return fmt.Sprint(f.Target.Interface())
	}
}
