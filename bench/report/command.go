package report

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Command is `oort bench report`.
type Command struct {
	Files []string `arg:"" type:"existingfile" help:"Results of a run, from its --json; several of one machine are shown as one."`
	HTML  string   `name:"html" placeholder:"FILE" type:"path" help:"Write one HTML page to FILE instead of tables to the terminal."`
}

// Examples are shown at the end of --help.
func (c *Command) Examples() string {
	return `
	oort bench report results.json
	oort bench report fanout.json idle.json push.json --html results.html`
}

// Run shows the run again. That it had faults is told, and is no error here.
func (c *Command) Run(out io.Writer) error {
	var runs []*Run
	for _, name := range c.Files {
		r, err := ReadFile(name)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	r, err := Join(runs...)
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
