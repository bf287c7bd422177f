package ops

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// maxConfigBytes bounds a config file, so that a wrong path (a log, a device)
// is an error instead of a full memory.
const maxConfigBytes = 1 << 20

// ConfigFile is the type of a flag that names a config file. The file is read
// and checked before flags are resolved.
type ConfigFile string

// BeforeResolve is kong's hook: it runs when the flag, or its variable in the
// environment, is set.
func (ConfigFile) BeforeResolve(ctx *kong.Context, trace *kong.Path, p *parsed) error {
	path := string(ctx.FlagValue(trace.Flag).(ConfigFile))
	if path == "" {
		return nil
	}
	p.file = &configFile{path: path}
	ctx.AddResolver(p.file)
	return p.file.read(ctx.Model.Node)
}

// configFile holds the values of a config file. It is a kong.Resolver.
type configFile struct {
	path     string
	values   []fileValue
	sections []string // paths of the commands that have one, in the file's order
}

// fileValue is one value of a flag.
type fileValue struct {
	section string // path of the command, "" for the top
	name    string // of the flag
	node    *yaml.Node
}

// read takes the file and checks its names and values against the commands
// below root. After an error c holds what was read until then.
func (c *configFile) read(root *kong.Node) error {
	text, err := readBounded(c.path)
	if err != nil {
		return err
	}
	doc := yaml.NewDecoder(strings.NewReader(text))
	var top yaml.Node
	if err := doc.Decode(&top); errors.Is(err, io.EOF) {
		return nil // nothing but comments
	} else if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	if err := doc.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one YAML document", c.path)
	}
	return c.readSection(root, "", top.Content[0])
}

func readBounded(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxConfigBytes {
		return "", fmt.Errorf("%s: larger than %d bytes", path, maxConfigBytes)
	}
	return string(text), nil
}

// readSection takes the values for command and, in mappings named like its
// children, for those.
func (c *configFile) readSection(command *kong.Node, section string, m *yaml.Node) error {
	m = resolveAlias(m)
	if m.Kind != yaml.MappingNode {
		return c.errorf(m, "want name: value, got %q", m.Value)
	}
	seen := map[string]int{}
	for i := 0; i < len(m.Content); i += 2 {
		key, value := m.Content[i], resolveAlias(m.Content[i+1])
		if line, ok := seen[key.Value]; ok {
			return c.errorf(key, "%q is set twice, first in line %d", key.Value, line)
		}
		seen[key.Value] = key.Line
		if err := c.readEntry(command, section, key, value); err != nil {
			return err
		}
	}
	return nil
}

// readEntry takes one name. A command and a flag may share a name ("logic"):
// a mapping is a section, anything else a value.
func (c *configFile) readEntry(command *kong.Node, section string, key, value *yaml.Node) error {
	child := findChild(command, key.Value)
	flags := flagsNamed(command, section, key.Value)
	if value.Kind == yaml.MappingNode && child != nil {
		path := strings.TrimSpace(section + " " + key.Value)
		c.sections = append(c.sections, path)
		return c.readSection(child, path, value)
	}
	if len(flags) == 0 {
		return c.unknown(command, section, key, child)
	}
	c.values = append(c.values, fileValue{section: section, name: key.Value, node: value})
	return c.check(flags, key, value)
}

func (c *configFile) unknown(command *kong.Node, section string, key *yaml.Node, child *kong.Node) error {
	switch {
	case child != nil:
		return c.errorf(key, "section %q needs names and values under it", key.Value)
	case section == "":
		return c.errorf(key, "unknown name %q", key.Value)
	default:
		return c.errorf(key, "unknown name %q for %s", key.Value, command.FullPath())
	}
}

// check tries the value on the flags that it may be meant for: one must take
// it. At the top these are the flags of all commands.
func (c *configFile) check(flags []*kong.Flag, key, value *yaml.Node) error {
	var first error
	for _, f := range flags {
		_, err := c.value(f, value)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("--%s: %w", key.Value, first)
}

// value is the text of node as the flag takes it on the command line, checked.
// One way of parsing for all sources means one set of rules and errors.
func (c *configFile) value(f *kong.Flag, node *yaml.Node) (string, error) {
	text, err := flagText(f, node)
	if err != nil {
		return "", c.errorf(node, "%w", err)
	}
	target := reflect.New(f.Target.Type()).Elem()
	scan := kong.Scan().PushTyped(text, kong.FlagValueToken)
	if err := f.Mapper.Decode(&kong.DecodeContext{Value: f.Value, Scan: scan}, target); err != nil {
		return "", c.errorf(node, "%w", err)
	}
	if f.Enum != "" && !f.IsCumulative() && !f.EnumMap()[text] {
		return "", c.errorf(node, "must be one of %s, not %q", strings.Join(f.EnumSlice(), ", "), text)
	}
	return text, nil
}

func flagText(f *kong.Flag, node *yaml.Node) (string, error) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return "", errors.New("no value")
	case node.Kind == yaml.ScalarNode:
		return node.Value, nil
	case node.Kind == yaml.SequenceNode && f.IsSlice() && f.Tag.Sep != -1:
		return joinScalars(node, f.Tag.Sep)
	case f.IsSlice():
		return "", errors.New("want a list of plain values")
	default:
		return "", errors.New("want one plain value")
	}
}

func joinScalars(list *yaml.Node, sep rune) (string, error) {
	texts := make([]string, 0, len(list.Content))
	for _, item := range list.Content {
		item = resolveAlias(item)
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return "", errors.New("want a list of plain values")
		}
		texts = append(texts, item.Value)
	}
	return kong.JoinEscaped(texts, sep), nil
}

// Validate is part of kong.Resolver; readConfig has validated already.
func (c *configFile) Validate(*kong.Application) error { return nil }

// Resolve is part of kong.Resolver. Kong asks resolvers last and lets them
// win over the environment; here the environment wins.
func (c *configFile) Resolve(ctx *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	if envOf(f) != "" {
		return nil, nil
	}
	v := c.lookup(ctx.Selected(), f)
	if v == nil {
		return nil, nil
	}
	return c.value(f, v.node)
}

// lookup finds the value for f of command: the innermost section wins.
func (c *configFile) lookup(command *kong.Node, f *kong.Flag) *fileValue {
	for section := commandPath(command); ; section = parentPath(section) {
		for i := range c.values {
			if v := &c.values[i]; v.section == section && v.name == f.Name {
				return v
			}
		}
		if section == "" {
			return nil
		}
	}
}

// named returns the plain values that the file gives to a flag of that name,
// in whichever section.
func (c *configFile) named(flag string) []string {
	var texts []string
	for _, v := range c.values {
		if v.name == flag {
			texts = append(texts, v.node.Value)
		}
	}
	return texts
}

func (c *configFile) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", c.path, n.Line, fmt.Errorf(format, args...))
}
