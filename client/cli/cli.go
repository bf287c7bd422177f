// Package cli is `oort client`: what a person at a terminal uses to look into
// a running system. Its structs carry kong tags; each Run asks for a context
// and the streams that it uses.
package cli

import (
	"context"
	"net/http"

	"github.com/oortim/oort/client"
)

// Commands below `oort client`.
type Commands struct {
	Join Join `cmd:"" help:"Join a room and print what arrives."`
	Send Send `cmd:"" help:"Push a message through the HTTP API."`
	Say  Say  `cmd:"" help:"Hand a message to the application over a link (op 4)."`
}

// Link are the flags of commands that open a link.
type Link struct {
	Addr     string  `default:"tcp://127.0.0.1:3101" help:"Where a comet listens: tcp://host:port, ws://host:port/sub or wss://…"`
	API      string  `name:"api" placeholder:"URL" help:"Ask the HTTP API there where to connect, instead of --addr."`
	Mid      int64   `default:"0" help:"User id; many devices may share one."`
	Key      string  `help:"Device id, unique while online. Default: the server deals one."`
	Token    string  `secret:"" help:"JWT that says who this is, for servers that check."`
	Accepts  []int32 `placeholder:"OP" help:"Ops wanted, such as 1000,18 (18: gap markers). Default: every op, and no gap markers."`
	Platform string  `default:"cli" help:"Platform as told to the server."`
}

func (l *Link) options() client.Options {
	return client.Options{Addr: l.Addr, Mid: l.Mid, Key: l.Key, Token: l.Token, Accepts: l.Accepts, Platform: l.Platform}
}

// addrs is how a session finds comets; nil: it dials Addr.
func (l *Link) addrs() func(context.Context) ([]string, error) {
	if l.API == "" {
		return nil
	}
	return func(ctx context.Context) ([]string, error) {
		return client.Nodes(ctx, http.DefaultClient, l.API, "tcp")
	}
}
