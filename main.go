// Command oort is a long-connection gateway: `oort serve` runs all of it in one
// process, `oort comet`, `oort logic` and `oort job` run its parts.
//
// This file is the table of commands and their wiring, and the only one that
// knows every package.
package main

import (
	"os"
	"slices"

	"github.com/oortim/oort/bench"
	"github.com/oortim/oort/client/cli"
	"github.com/oortim/oort/comet/tune"
	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/parts"
)

type commands struct {
	ops.Globals

	Serve   parts.Serve    `cmd:"" help:"Run everything in one process."`
	Comet   parts.Comet    `cmd:"" help:"Run a comet: hold clients' links."`
	Logic   parts.Logic    `cmd:"" help:"Run logic: sessions, authentication, the HTTP API."`
	Job     parts.Job      `cmd:"" help:"Run a job: carry pushes from Kafka to the comets."`
	Drops   parts.Drops    `cmd:"" help:"Read the ledger of what jobs dropped."`
	Client  cli.Commands   `cmd:"" help:"Look into a running gateway."`
	Bench   bench.Commands `cmd:"" help:"Measure."`
	Config  ops.ConfigCmd  `cmd:"" help:"Check or show the configuration."`
	Health  ops.HealthCmd  `cmd:"" help:"Ask a process whether it is ready; for probes."`
	Version ops.VersionCmd `cmd:"" help:"Print the version."`
}

func main() {
	if !slices.ContainsFunc(os.Args[1:], brief) {
		tune.Slack()
	}
	os.Exit(app().Main(os.Args[1:]))
}

// brief says whether an argument is a command that ends by itself, and soon.
func brief(arg string) bool {
	return slices.Contains([]string{"drops", "client", "config", "health", "version", "--help", "-h"}, arg)
}

func app() ops.App {
	return ops.App{
		Name: "oort",
		Description: "A long-connection gateway: clients keep one TCP or WebSocket link, " +
			"and pushes reach them by device, user, room, or all at once.",
		Grammar:   new(commands),
		Fallback:  "serve",
		EnvPrefix: "OORT_",
	}
}
