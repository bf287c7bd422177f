// Package bench is `oort bench`: scenarios by name, each a package of its own
// that measures one thing and says under which conditions. A scenario takes a
// server from bench/target, numbers from bench/measure, and tells them by
// bench/report; it fails if what it did was not correct, however fast.
package bench

import (
	"github.com/oortim/oort/bench/echo"
	"github.com/oortim/oort/bench/push"
	"github.com/oortim/oort/bench/server"
)

// Commands below `oort bench`.
type Commands struct {
	Echo echo.Command `cmd:"" help:"Serve echo, for conformance suites and other people's clients."`
	Push push.Command `cmd:"" help:"From the push API to the sockets: latency of lone messages, or throughput with --rate."`

	Server server.Command `cmd:"" hidden:"" help:"The server under test, for a conductor."`
}
