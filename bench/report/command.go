package report

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Command is `oort bench report`.
type Command struct {
	File string `arg:"" type:"existingfile" help:"Results of a run, from its --json."`
	HTML string `name:"html" placeholder:"FILE" type:"path" help:"Write one HTML page to FILE instead of tables to the terminal."`
}

// Examples are shown at the end of --help.
func (c *Command) Examples() string {
	return `
	oort bench report results.json
	oort bench report results.json --html results.html`
}

// Run shows the run again. That it had faults is told, and is no error here.
func (c *Command) Run(out io.Writer) error {
	r, err := ReadFile(c.File)
	if err != nil {
		return err
	}
	if c.HTML != "" {
		return r.WriteFile(c.HTML, r.HTML)
	}
	return r.Text(out)
}

// WriteFile writes r to the file of that name, by r.JSON or r.HTML.
func (r *Run) WriteFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return errors.Join(write(f), f.Close())
}
