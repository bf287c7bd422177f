package session

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/oortim/oort/deploy/fault"
)

//go:embed lua/roster.lua
var rosterLua string

//go:embed lua/connect.lua
var connectLua string

//go:embed lua/disconnect.lua
var disconnectLua string

//go:embed lua/restore.lua
var restoreLua string

//go:embed lua/renew.lua
var renewLua string

//go:embed lua/ages.lua
var agesLua string

// script is a Lua script and what Redis calls it. rueidis has scripts of its
// own, but runs a batch of them only after it has sent the source again to
// every node: another round trip each time. And a batch here mixes scripts and
// commands.
type script struct{ source, sha string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source: source, sha: hex.EncodeToString(sum[:])}
}

// scripts of a Redis.
type scripts struct{ connect, disconnect, restore, renew, ages script }

func newScripts() scripts {
	return scripts{
		connect:    newScript(rosterLua + connectLua),
		disconnect: newScript(rosterLua + disconnectSource()),
		restore:    newScript(rosterLua + restoreLua),
		renew:      newScript(renewLua),
		ages:       newScript(agesLua),
	}
}

// disconnectSource is disconnectLua, unless a proof wants the defect.
func disconnectSource() string {
	if !fault.On(fault.DisconnectAny) {
		return disconnectLua
	}
	return strings.NewReplacer(
		"if link2 == link and server2 == server then", "if link2 then",
		"if epoch == '0' or epoch == epoch2 then", "if epoch2 then",
	).Replace(disconnectLua)
}

// command is a Redis command, or a script, that touches one slot.
type command struct {
	name   string
	script script // if name is empty
	keys   []string
	args   []string
}

// do sends commands in one pipeline (one a node, in a cluster) and answers in
// order. If a server does not have a script, as a new one or one that was
// restarted has not, those commands, which did nothing, are sent once more with
// the source.
func (r *Redis) do(ctx context.Context, commands []command) []rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	built := make(rueidis.Commands, len(commands))
	for i, c := range commands {
		built[i] = r.build(c, false)
	}
	results := r.client.DoMulti(ctx, built...)
	var again rueidis.Commands
	var at []int // again[i] is commands[at[i]]
	for i, result := range results {
		if err, ok := rueidis.IsRedisErr(result.Error()); ok && err.IsNoScript() {
			again, at = append(again, r.build(commands[i], true)), append(at, i)
		}
	}
	if len(again) == 0 {
		return results
	}
	for i, result := range r.client.DoMulti(ctx, again...) {
		results[at[i]] = result
	}
	return results
}

// build marks every command as one that may be sent again after a broken
// connection, within the deadline: all that this package sends is idempotent.
func (r *Redis) build(c command, withSource bool) rueidis.Completed {
	var head []string
	switch {
	case c.name != "":
		head = []string{c.name}
	case withSource:
		head = []string{"EVAL", c.script.source, strconv.Itoa(len(c.keys))}
	default:
		head = []string{"EVALSHA", c.script.sha, strconv.Itoa(len(c.keys))}
	}
	return r.client.B().Arbitrary(head...).Keys(c.keys...).Args(c.args...).Build().ToRetryable()
}
