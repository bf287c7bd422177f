//go:build darwin || freebsd

package engines

import (
	"github.com/oortim/oort/poller/raw"
	"github.com/oortim/oort/poller/std"
)

var engines = []entry{{"kqueue", raw.Open}, {"std", std.Open}}
