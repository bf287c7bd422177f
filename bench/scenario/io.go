package scenario

import "github.com/oortim/oort/bench/suite"

// FloorCommand is `oort bench floor`.
type FloorCommand = suite.Command[Floor]

// IO is `oort bench io`: each scenario by its name. A new one is a line here
// and one in profiles.go.
type IO struct {
	Accept    suite.Command[Accept]    `cmd:"" help:"Links that connect and authenticate: how many a second, CPU a link."`
	Idle      suite.Command[Idle]      `cmd:"" help:"Links that say nothing: memory of process and kernel, a link."`
	Echo      suite.Command[Echo]      `cmd:"" help:"Messages that come back: CPU an echo beside its floor, how many a second, latency."`
	Fanout    suite.Command[Fanout]    `cmd:"" help:"Messages to rooms: CPU a write beside its floor, latency, or how many go."`
	Rates     suite.Command[Rates]     `cmd:"" help:"A room at ever higher rates: what merging saves, what is shed, and latency."`
	Size      suite.Command[Size]      `cmd:"" help:"One message to rooms of all sizes: CPU beside its floor, up to a million links."`
	Heartbeat suite.Command[Heartbeat] `cmd:"" help:"Heartbeats of many links: CPU each, latency of the reply."`
	Churn     suite.Command[Churn]     `cmd:"" help:"Links that close and dial anew beside messages: CPU each, how soon they are back."`
	Slow      suite.Command[Slow]      `cmd:"" help:"Links that do not read: what it does to the others and to the server's memory."`
	Mixed     suite.Command[Mixed]     `cmd:"" help:"All of that at once."`
}
