package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// HealthCmd is `oort health`: what a container without a shell or curl needs
// for its health check, and a person for a first look.
type HealthCmd struct {
	Admin string `default:"127.0.0.1:3110" placeholder:"HOST:PORT" help:"Admin address of the process to ask."`
	Live  bool   `help:"Ask only whether the process lives, not whether it is ready."`
	JSON  bool   `name:"json" help:"Print the answer as it came."`
}

// Examples implements the examples of --help.
func (*HealthCmd) Examples() string {
	return `
	oort health                          # exit code 0 if ready, 1 and the failing checks if not
	oort health --live --admin 127.0.0.1:4110`
}

// Run asks and prints; an error means not ready, or not alive.
func (c *HealthCmd) Run(ctx context.Context, out io.Writer) error {
	path := "/readyz"
	if c.Live {
		path = "/healthz"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	h, err := askHealth(ctx, "http://"+c.Admin+path)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(out).Encode(h)
	} else {
		_, err = fmt.Fprint(out, h.text())
	}
	if err == nil && !c.Live && !h.Ready {
		return fmt.Errorf("not ready: %s", h.whyNot())
	}
	return err
}

func askHealth(ctx context.Context, url string) (*Health, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	h := new(Health)
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(h); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", url, res.Status, err)
	}
	return h, nil
}

// text is a line a check.
func (h *Health) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ready=%t uptime=%ds version=%s\n", h.Ready, h.UptimeSeconds, h.Version)
	for _, c := range h.Checks {
		fmt.Fprintf(&b, "%s ok=%t %s\n", c.Name, c.OK, c.Error)
	}
	return b.String()
}

func (h *Health) whyNot() string {
	var why []string
	if h.Draining != "" {
		why = append(why, h.Draining)
	}
	for _, c := range h.Checks {
		if !c.OK {
			why = append(why, c.Name+": "+c.Error)
		}
	}
	return strings.Join(why, "; ")
}
