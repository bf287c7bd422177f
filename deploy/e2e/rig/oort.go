package rig

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Oort is one oort process that has said that it is ready.
type Oort struct {
	*Process
	// Addrs are the addresses of its ready line, by name: tcp, ws, http, grpc,
	// admin.
	Addrs map[string]string

	binary  string
	command string
	args    []string
}

// StartOort runs `oort COMMAND ARGS...` and waits for its ready line. Addresses
// among args may have port 0.
func StartOort(t testing.TB, b Binaries, command string, args ...string) *Oort {
	t.Helper()
	o := &Oort{binary: b.Oort, command: command, args: args}
	o.start(t, args)
	return o
}

func (o *Oort) start(t testing.TB, args []string) {
	t.Helper()
	o.Process = Start(t, "oort "+o.command, append([]string{o.binary, o.command}, args...)...)
	addrs, err := parseReady(o.WaitLine(t, "ready "))
	if err != nil {
		t.Fatalf("rig: %s: %v", o.Name, err)
	}
	o.Addrs = addrs
}

// Restart starts it again with the same arguments on the same addresses, after
// Kill or Stop.
func (o *Oort) Restart(t testing.TB) {
	t.Helper()
	args := append([]string{}, o.args...)
	for name, addr := range o.Addrs {
		args = append(args, "--"+name, addr)
	}
	o.start(t, args)
}

// parseReady reads "ready tcp=127.0.0.1:3101 ws=… …".
func parseReady(line string) (map[string]string, error) {
	addrs := map[string]string{}
	for _, field := range strings.Fields(line)[1:] {
		name, addr, ok := strings.Cut(field, "=")
		if !ok || addr == "" {
			return nil, fmt.Errorf("ready line %q: %q is not name=address", line, field)
		}
		addrs[name] = addr
	}
	return addrs, nil
}

// WaitReady waits until /readyz answers 200.
func (o *Oort) WaitReady(t testing.TB) {
	t.Helper()
	WaitFor(t, o.Name+" is ready", func() error {
		status, body, err := o.Admin("/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d: %s", status, body)
		}
		return err
	})
}

// Admin asks the admin server.
func (o *Oort) Admin(path string) (status int, body string, err error) {
	res, err := http.Get("http://" + o.Addrs["admin"] + path)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}
