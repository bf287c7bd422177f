package engines

import (
	"github.com/oortim/oort/poller/gnet"
	"github.com/oortim/oort/poller/netpoll"
	"github.com/oortim/oort/poller/raw"
	"github.com/oortim/oort/poller/std"
)

var engines = []entry{{"epoll", raw.Open}, {"std", std.Open}, {"gnet", gnet.Open}, {"netpoll", netpoll.Open}}
