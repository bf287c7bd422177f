package ops

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Build is what the binary knows of its own making.
type Build struct {
	// Version of the module, "(devel)" outside a tagged build.
	Version string `json:"version"`
	// Revision of the source and whether it had changes; empty if unknown.
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	// Time of the revision, RFC 3339; empty if unknown.
	Time     string `json:"time,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ReadBuild asks the binary.
func ReadBuild() Build {
	b := Build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	return b
}

// String is one line for people.
func (b Build) String() string {
	text := b.Version
	if b.Revision != "" {
		text += " " + b.Revision[:min(len(b.Revision), 12)]
	}
	if b.Modified {
		text += " with changes"
	}
	return fmt.Sprintf("%s, %s, %s", text, b.Go, b.Platform)
}

// VersionCmd is `oort version`.
type VersionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the build.
func (c *VersionCmd) Run(out io.Writer, app *App) error {
	b := ReadBuild()
	if c.JSON {
		return json.NewEncoder(out).Encode(b)
	}
	_, err := fmt.Fprintln(out, app.Name, b)
	return err
}
