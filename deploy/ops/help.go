package ops

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// exampler is a command that shows how it is used.
type exampler interface {
	// Examples are shell lines, shown as they are.
	Examples() string
}

// help is kong's own help with the command's examples behind it.
func (a App) help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	e, ok := node.Target.Addr().Interface().(exampler)
	if !ok || options.Summary {
		return nil
	}
	_, err := fmt.Fprintf(ctx.Stdout, "\nExamples:\n%s\n", indent(e.Examples()))
	return err
}

// describe is the help of one flag: its text, then what it is by default, where
// the place-holder does not show it already, and its name in the environment.
func describe(v *kong.Value) string {
	var more []string
	if v.Flag != nil && v.HasDefault && v.Flag.PlaceHolder != "" && v.Default != "" {
		more = append(more, "default "+v.Default)
	}
	for _, env := range v.Tag.Envs {
		more = append(more, "$"+env)
	}
	if len(more) == 0 {
		return v.Help
	}
	return strings.TrimSpace(v.Help + " (" + strings.Join(more, ", ") + ")")
}

func indent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("  "+strings.TrimLeft(line, "\t"), " ")
	}
	return strings.Join(lines, "\n")
}
