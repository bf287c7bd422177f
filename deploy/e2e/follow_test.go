package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
	"github.com/oortim/oort/proto/dropped"
)

// A key that comes back on another comet between a push and its delivery gets
// the message there, once, also when the job is killed after it; one that stays
// away is found in the ledger of drops.
func TestPushFollowsKey(t *testing.T) {
	t.Parallel()
	g := rig.StartCluster(t, bin, "epoll", 2)
	moving, leaving := mustDial(t, g.TCP[0], 0), mustDial(t, g.TCP[0], 1)
	api := &push.Client{API: g.API}
	g.Job.Kill()
	var ids []string
	for n := range 5 {
		sent := mustPush(t, api, push.Push{Keys: []string{moving.key, leaving.key}, Op: op, Body: body("direct", n)})
		ids = append(ids, sent.ID)
	}
	for _, l := range []*link{moving, leaving} {
		l.Close()
		rig.WaitFor(t, l.key+" has left", func() error {
			if at := onlineAt(t, g, l.key); at != "" {
				return fmt.Errorf("it is at %s", at)
			}
			return nil
		})
	}
	moved := mustDial(t, g.TCP[1], 0)
	g.Job.Restart(t)
	waitReceived(t, []*link{moved}, "direct", func(*link) []int { return []int{0, 1, 2, 3, 4} })
	g.Job.Kill()
	g.Job.Restart(t)
	mustPush(t, api, push.Push{Keys: []string{moving.key}, Op: op, Body: body("direct", 5)})
	waitReceived(t, []*link{moved}, "direct", func(*link) []int { return []int{0, 1, 2, 3, 4, 5} })
	noneUnexpected(t, []*link{moved, moving, leaving}, "direct")

	for _, id := range ids {
		rig.WaitFor(t, "the ledger tells of "+leaving.key, func() error { return toldClosed(g, id, leaving.key) })
	}
	table, err := exec.Command(bin.Oort, "drops", "--kafka", g.Kafka.Addr, "--key", leaving.key, "--comet", "c1").Output()
	if text := string(table); err != nil || !strings.Contains(text, ids[4]) || !strings.Contains(text, "drops: closed ") {
		t.Errorf("%v, oort drops prints\n%s", err, text)
	}
}

func mustDial(t *testing.T, addr string, i int) *link {
	t.Helper()
	l, err := dialLink(t, addr, i, 1)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// toldClosed returns nil if the ledger says that key, and no other, lost the
// message id because it was offline.
func toldClosed(g *rig.Gateway, id, key string) error {
	out, err := exec.Command(bin.Oort, "drops", "--kafka", g.Kafka.Addr, "--id", id, "--output", "json").Output()
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	for _, line := range lines { // two, if the job that wrote it died before it could commit
		e, err := dropped.Decode(line)
		if err != nil {
			return err
		}
		if e.ID != id || e.Reason != "closed" || !slices.Equal(e.Keys, []string{key}) || !strings.HasPrefix(e.Comet, "c1@") {
			return fmt.Errorf("%+v", e)
		}
	}
	return nil
}
