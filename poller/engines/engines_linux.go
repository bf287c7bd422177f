package engines

import (
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/gnet"
	"github.com/oortim/oort/poller/netpoll"
	"github.com/oortim/oort/poller/raw"
	"github.com/oortim/oort/poller/std"
	"github.com/oortim/oort/poller/uring"
)

var engines = list{
	plain("epoll", raw.Open),
	{name: "uring", open: func(o poller.Options, _ []string) (poller.Engine, error) { return uring.Open(o) }, missing: uring.Missing},
	plain("std", std.Open),
	plain("gnet", gnet.Open),
	plain("netpoll", netpoll.Open),
}
