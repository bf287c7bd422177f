// Package bench is `oort bench`. What it measures it also checks: a run in
// which something was lost has failed, however fast it was.
//
//	scenario  what `oort bench io` can measure, a file each
//	suite     runs scenarios over engines, in turns, again and again
//	server    the server under test, a process of its own
//	swarm     its clients, a process of their own
//	floor     bare system calls on the same sockets
//	echo      a server that echoes, for scenarios and for conformance suites
//	push      the whole pipeline, from the HTTP API to the sockets
//	directed  pushes to one key each, through a cluster of processes
//	chaos     a cluster that is broken and mended, and a judge
//	target    the gateway that push measures
//	control   how a conductor asks its processes for things
//	stamp     marks on messages, by which losses and latencies are seen
//	measure   instruments: CPU time, memory, percentiles, spread
//	report    results, as tables, JSON and a page; compare, what changed
//
// docs/bench.md says how to run it, read it and add to it.
package bench

import (
	"github.com/oortim/oort/bench/chaos"
	"github.com/oortim/oort/bench/compare"
	"github.com/oortim/oort/bench/directed"
	"github.com/oortim/oort/bench/echo"
	"github.com/oortim/oort/bench/push"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/scenario"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/swarm"
)

// Commands below `oort bench`.
type Commands struct {
	IO      scenario.IO             `cmd:"" name:"io" help:"Compare I/O engines under one server, scenario by scenario."`
	Soak    scenario.SoakCommand    `cmd:"" help:"One comet for long, with everything going on; fails if anything grows or does not add up."`
	Million scenario.MillionCommand `cmd:"" help:"A million links in one comet, with all that lets them in beside it: logins, memory, pauses, heartbeats, one message to all."`
	Floor   scenario.FloorCommand   `cmd:"" help:"Bare send(2) on the sockets of links: what no engine can go below."`
	Suite   scenario.Suite          `cmd:"" help:"All scenarios of io, at sizes that fit together."`
	Echo    echo.Command            `cmd:"" help:"Serve echo, for conformance suites and other people's clients."`
	Chaos   chaos.Command           `cmd:"" help:"Break and mend a cluster, and judge what clients and pushers saw against what is promised."`
	Push    push.Command            `cmd:"" help:"From the push API to the sockets: latency of lone messages, or throughput with --rate."`

	Directed directed.Command `cmd:"" help:"Pushes to one key each, through a cluster of processes, beside the bare calls that they need."`

	Report  report.Command  `cmd:"" help:"Show the results of a run again, as tables or as an HTML page."`
	Compare compare.Command `cmd:"" help:"Say what changed between two runs beyond the noise."`

	Swarm swarm.Command `cmd:"" help:"Hold many client links from one process."`

	Server server.Command `cmd:"" hidden:"" help:"The server under test, for a conductor."`
}
