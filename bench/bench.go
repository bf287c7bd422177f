// Package bench is `oort bench`: scenarios by name, each a package of its own
// that measures one thing and says under which conditions. A scenario takes a
// server from bench/target, numbers from bench/measure, and tells them by
// bench/report; it fails if what it did was not correct, however fast.
package bench

import (
	"github.com/oortim/oort/bench/compare"
	"github.com/oortim/oort/bench/echo"
	"github.com/oortim/oort/bench/push"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/scenario"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/swarm"
)

// Commands below `oort bench`.
type Commands struct {
	IO    scenario.IO           `cmd:"" name:"io" help:"Compare I/O engines under one server, scenario by scenario."`
	Floor scenario.FloorCommand `cmd:"" help:"Bare send(2) on the sockets of links: what no engine can go below."`
	Suite scenario.Suite        `cmd:"" help:"All scenarios of io, at sizes that fit together."`
	Echo  echo.Command          `cmd:"" help:"Serve echo, for conformance suites and other people's clients."`
	Push  push.Command          `cmd:"" help:"From the push API to the sockets: latency of lone messages, or throughput with --rate."`

	Report  report.Command  `cmd:"" help:"Show the results of a run again, as tables or as an HTML page."`
	Compare compare.Command `cmd:"" help:"Say what changed between two runs beyond the noise."`

	Swarm swarm.Command `cmd:"" help:"Hold many client links from one process."`

	Server server.Command `cmd:"" hidden:"" help:"The server under test, for a conductor."`
}
