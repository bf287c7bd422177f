package engines

import (
	"github.com/oortim/oort/poller/gnet"
	"github.com/oortim/oort/poller/netpoll"
	"github.com/oortim/oort/poller/raw"
	"github.com/oortim/oort/poller/std"
)

var engines = list{
	plain("epoll", raw.Open),
	plain("std", std.Open),
	plain("gnet", gnet.Open),
	plain("netpoll", netpoll.Open),
}
