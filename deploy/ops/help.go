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

func indent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("  "+strings.TrimLeft(line, "\t"), " ")
	}
	return strings.Join(lines, "\n")
}
