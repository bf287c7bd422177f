package engines

import (
	"slices"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/gnet"
	"github.com/oortim/oort/poller/netpoll"
	"github.com/oortim/oort/poller/raw"
	"github.com/oortim/oort/poller/std"
	"github.com/oortim/oort/poller/uring"
)

var engines = list{
	{
		name: "epoll", open: epoll,
		knows:    []string{"edge", "locked", "private"},
		variants: []string{"edge", "locked", "private", "edge+private"},
	},
	{name: "uring", open: plain("uring", uring.Open).open, missing: uring.Missing},
	plain("std", std.Open),
	plain("gnet", gnet.Open),
	plain("netpoll", netpoll.Open),
}

func epoll(o poller.Options, options []string) (poller.Engine, error) {
	return raw.Options{
		Edge:    slices.Contains(options, "edge"),
		Locked:  slices.Contains(options, "locked"),
		Private: slices.Contains(options, "private"),
	}.Open(o)
}
