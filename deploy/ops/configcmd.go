package ops

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// ConfigCmd is `oort config`.
type ConfigCmd struct {
	Show  ConfigShow  `cmd:"" help:"Print every effective value and where it comes from."`
	Check ConfigCheck `cmd:"" help:"Check flags, environment and config file without running anything."`
}

// ConfigShow is `oort config show`.
type ConfigShow struct {
	JSON bool     `name:"json" help:"Print JSON instead of a table."`
	Args []string `arg:"" optional:"" passthrough:"" name:"command" help:"Command to show, with its flags. Default: the commands that the file has a section for, or serve."`
}

// Examples implements the examples of --help.
func (*ConfigShow) Examples() string {
	return `
	oort config show                                   # what oort serve would run with
	oort config show --config oort.yaml                # each command that has a section
	OORT_TCP=0.0.0.0:3101 oort config show comet --ws 0.0.0.0:3102`
}

// Run prints the values.
func (c *ConfigShow) Run(out io.Writer, outer *parsed) error {
	commands, err := outer.effective(c.Args)
	if err != nil {
		return err
	}
	if c.JSON {
		all := map[string][]setting{}
		for _, p := range commands {
			all[commandPath(p.ctx.Selected())] = p.settings()
		}
		return json.NewEncoder(out).Encode(all)
	}
	for i, p := range commands {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := printSettings(out, p); err != nil {
			return err
		}
	}
	return printStray(out, outer)
}

func printStray(out io.Writer, p *parsed) error {
	for _, name := range p.strayEnvironment() {
		if _, err := fmt.Fprintf(out, "# the environment has %s, which no command knows\n", name); err != nil {
			return err
		}
	}
	return nil
}

func printSettings(out io.Writer, p *parsed) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "# %s\n", p.ctx.Selected().FullPath())
	for _, s := range p.settings() {
		fmt.Fprintf(w, "%s:\t%s\t# %s\n", s.Name, s.Value, s.Origin)
	}
	return w.Flush()
}

// ConfigCheck is `oort config check`.
type ConfigCheck struct {
	Args []string `arg:"" optional:"" passthrough:"" name:"command" help:"Command to check, with its flags. Default: the commands that the file has a section for, or serve."`
}

// Examples implements the examples of --help.
func (*ConfigCheck) Examples() string {
	return `
	oort config check --config /etc/oort/comet.yaml    # exit code 2 and one line if it is wrong
	oort config check comet --logic 10.0.0.1:3119`
}

// Run checks, and says what was found to be in order.
func (c *ConfigCheck) Run(out io.Writer, outer *parsed) error {
	commands, err := outer.effective(c.Args)
	if err != nil {
		return err
	}
	names := make([]string, len(commands))
	for i, p := range commands {
		names[i] = commandPath(p.ctx.Selected())
	}
	if _, err := fmt.Fprintf(out, "ok: %s\n", strings.Join(names, ", ")); err != nil {
		return err
	}
	return printStray(out, outer)
}

// effective parses the command that args name, as it would be run. Without
// args it parses each command that the config file has a section for and that
// can be run without arguments of its own.
func (p *parsed) effective(args []string) ([]*parsed, error) {
	if len(args) > 0 {
		one, err := p.app.parse(slices.Concat(p.rootFlags(), args))
		return []*parsed{one}, err
	}
	var all []*parsed
	for _, section := range p.sections() {
		one, err := p.app.parse(slices.Concat(p.rootFlags(), strings.Fields(section)))
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (p *parsed) sections() []string {
	var found []string
	if p.file != nil {
		for _, path := range p.file.sections {
			if runsAlone(p.ctx.Model.Node, path) {
				found = append(found, path)
			}
		}
	}
	if len(found) == 0 {
		return []string{p.app.Fallback}
	}
	return found
}

// runsAlone says whether the command at path is one to run and asks for no
// argument.
func runsAlone(node *kong.Node, path string) bool {
	for _, name := range strings.Fields(path) {
		node = findChild(node, name)
	}
	needsArgument := func(v *kong.Positional) bool { return v.Required }
	return node.Leaf() && !slices.ContainsFunc(node.Positional, needsArgument)
}

// rootFlags are the flags of the program itself that were given, for a second
// parse.
func (p *parsed) rootFlags() []string {
	var args []string
	for _, step := range p.ctx.Path {
		if f := step.Flag; f != nil && !step.Resolved && slices.Contains(p.ctx.Model.Flags, f) {
			args = append(args, fmt.Sprintf("--%s=%v", f.Name, f.Target.Interface()))
		}
	}
	return args
}
