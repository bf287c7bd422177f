//go:build darwin || freebsd

package engines

import "github.com/oortim/oort/poller/raw"

var engines = []entry{{"kqueue", raw.Open}}
