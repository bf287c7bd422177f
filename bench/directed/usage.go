package directed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oortim/oort/bench/chaos/fleet"
	"github.com/oortim/oort/bench/measure"
)

// usage is CPU time by process: those of the fleet by name, "bench" is this one
// and "clients" the swarm.
type usage map[string]time.Duration

// Names of the processes that are not of the fleet.
const (
	ofBench   = "bench"
	ofClients = "clients"
)

func used(pids map[string]int) (usage, error) {
	u := usage{}
	for name, pid := range pids {
		cpu, err := measure.OpenProcess(pid).CPU()
		if err != nil {
			return nil, err
		}
		u[name] = cpu
	}
	return u, nil
}

func (u usage) since(before usage) usage {
	d := usage{}
	for name, cpu := range u {
		d[name] = cpu - before[name]
	}
	return d
}

// sum is the CPU of the processes named.
func (u usage) sum(names ...string) (sum time.Duration) {
	for _, name := range names {
		sum += u[name]
	}
	return sum
}

// profile writes a CPU profile of a part to a file beside name.
func profile(ctx context.Context, p *fleet.Part, name string, d time.Duration) (err error) {
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", p.Admin, max(1, int(d.Seconds())))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("bench: profile of %s: %w", p.Name, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("bench: profile of %s: %w", p.Name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("bench: profile of %s: %s", p.Name, resp.Status)
	}
	ext := filepath.Ext(name)
	file, err := os.Create(strings.TrimSuffix(name, ext) + "-" + p.Name + ext)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	_, err = io.Copy(file, resp.Body)
	return errors.Join(err, file.Close())
}
