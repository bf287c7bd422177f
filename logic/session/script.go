package session

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"strconv"

	"github.com/redis/rueidis"
)

//go:embed lua/connect.lua
var connectLua string

//go:embed lua/disconnect.lua
var disconnectLua string

//go:embed lua/renew.lua
var renewLua string

// scripts by what Redis calls them. rueidis has scripts of its own, but runs a
// batch of them only after it has sent the source again to every node: another
// round trip each time. And a batch here mixes scripts and commands.
var (
	connectScript    = sha(connectLua)
	disconnectScript = sha(disconnectLua)
	renewScript      = sha(renewLua)
)

func sha(source string) string {
	sum := sha1.Sum([]byte(source))
	return hex.EncodeToString(sum[:])
}

// load sends the scripts to every node.
func (r *Redis) load(ctx context.Context) error {
	for _, node := range r.client.Nodes() {
		for _, source := range []string{connectLua, disconnectLua, renewLua} {
			if err := node.Do(ctx, node.B().ScriptLoad().Script(source).Build()).Error(); err != nil {
				return err
			}
		}
	}
	return nil
}

// command is a Redis command that touches one slot. A script is EVALSHA with
// its hash and the number of its keys as options.
type command struct {
	name    string
	options []string // before the keys
	keys    []string
	args    []string
}

func script(sha string, keys, args []string) command {
	return command{name: "EVALSHA", options: []string{sha, strconv.Itoa(len(keys))}, keys: keys, args: args}
}

// do sends commands in one pipeline (one a node, in a cluster) and answers in
// order. If a server has lost the scripts, as one that was restarted has, they
// are loaded and those commands, which did nothing, are sent once more.
func (r *Redis) do(ctx context.Context, commands []command) []rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	results := r.client.DoMulti(ctx, r.build(commands)...)
	var again []command
	var at []int
	for i, result := range results {
		if err, ok := rueidis.IsRedisErr(result.Error()); ok && err.IsNoScript() {
			again, at = append(again, commands[i]), append(at, i)
		}
	}
	if len(again) == 0 || r.load(ctx) != nil {
		return results
	}
	for i, result := range r.client.DoMulti(ctx, r.build(again)...) {
		results[at[i]] = result
	}
	return results
}

// build marks every command as one that may be sent again after a broken
// connection, within the deadline: all that this package sends is idempotent.
func (r *Redis) build(commands []command) rueidis.Commands {
	built := make(rueidis.Commands, len(commands))
	for i, c := range commands {
		built[i] = r.client.B().Arbitrary(c.name).Args(c.options...).Keys(c.keys...).Args(c.args...).Build().ToRetryable()
	}
	return built
}
