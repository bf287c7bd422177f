package ops

import (
	"fmt"
	"io"
	"log/slog"
)

// Globals are the flags that every command has.
type Globals struct {
	Config    ConfigFile `placeholder:"FILE" help:"YAML file with values for flags, by their names."`
	LogFormat string     `default:"text" enum:"text,json" help:"Format of the log on stderr: ${enum}."`
	LogLevel  string     `default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum}."`
}

// logger makes the logger that g describes and sets level as it says.
func (g *Globals) logger(w io.Writer, level *slog.LevelVar) (*slog.Logger, error) {
	if g.LogLevel != "" {
		if err := level.UnmarshalText([]byte(g.LogLevel)); err != nil {
			return nil, fmt.Errorf("--log-level: %w", err)
		}
	}
	opts := &slog.HandlerOptions{Level: level}
	if g.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}
