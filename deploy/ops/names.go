package ops

import (
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// commandPath is the names from the root to command, without the program's.
func commandPath(command *kong.Node) string {
	if command == nil || command.Type == kong.ApplicationNode {
		return ""
	}
	return strings.TrimSpace(commandPath(command.Parent) + " " + command.Name)
}

// parentPath drops the last name of a path.
func parentPath(path string) string {
	return path[:max(strings.LastIndexByte(path, ' '), 0)]
}

func findChild(command *kong.Node, name string) *kong.Node {
	for _, child := range command.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// flagsNamed are the flags that name means in a section: at the top those of
// every command, elsewhere the command's own and its parents'. Flags that a
// file cannot set sensibly are no such names.
func flagsNamed(command *kong.Node, section, name string) []*kong.Flag {
	var found []*kong.Flag
	take := func(_ *kong.Node, f *kong.Flag) error {
		if _, isFile := f.Target.Interface().(ConfigFile); f.Name == name && name != "help" && !isFile {
			found = append(found, f)
		}
		return nil
	}
	if section == "" {
		_ = eachFlag(command, take)
		return found
	}
	for _, group := range command.AllFlags(false) {
		for _, f := range group {
			_ = take(command, f)
		}
	}
	return found
}

// envOf is the variable that sets f, or "".
func envOf(f *kong.Flag) string {
	for _, name := range f.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}

func resolveAlias(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
