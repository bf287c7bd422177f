//go:build darwin || freebsd

package engines

import (
	"github.com/oortim/oort/poller/raw"
	"github.com/oortim/oort/poller/std"
)

var engines = list{
	plain("kqueue", raw.Open),
	plain("std", std.Open),
}
