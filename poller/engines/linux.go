package engines

import "github.com/oortim/oort/poller/raw"

var engines = []entry{{"epoll", raw.Open}}
