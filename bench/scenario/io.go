package scenario

import "github.com/oortim/oort/bench/suite"

// IO is `oort bench io`: each scenario by its name. A new one is a line here
// and one in profiles.go.
type IO struct {
	Fanout suite.Command[Fanout] `cmd:"" help:"Messages to rooms: CPU a write, latency."`
}
