// Package cli is `oort client`: what a person at a terminal uses to look into
// a running system. Its structs carry kong tags; each Run asks for a context
// and the streams that it uses.
package cli

// Commands below `oort client`.
type Commands struct {
	Join Join `cmd:"" help:"Join a room and print what arrives."`
	Send Send `cmd:"" help:"Push a message through the HTTP API."`
	Say  Say  `cmd:"" help:"Hand a message to the application over a link (op 4)."`
}

// Link are the flags of commands that open a link.
type Link struct {
	Addr     string  `default:"tcp://127.0.0.1:3101" help:"Where a comet listens: tcp://host:port, ws://host:port/sub or wss://…"`
	Mid      int64   `default:"0" help:"User id; many devices may share one."`
	Key      string  `help:"Device id, unique while online. Default: the server deals one."`
	Token    string  `secret:"" help:"JWT that says who this is, for servers that check."`
	Accepts  []int32 `placeholder:"OP" help:"Ops wanted, such as 1000,18 (18: gap markers). Default: every op, and no gap markers."`
	Platform string  `default:"cli" help:"Platform as told to the server."`
}
