package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/proto/ident"
)

// Send pushes one message through the HTTP API.
type Send struct {
	Body []string `arg:"" optional:"" help:"Message; words are joined by spaces. Default: standard input."`

	Room  string        `xor:"target" required:"" help:"To a room, type://id."`
	Key   []string      `xor:"target" required:"" help:"To devices; may be repeated."`
	Mid   []int64       `xor:"target" required:"" help:"To users, on all their devices; may be repeated."`
	All   bool          `xor:"target" required:"" help:"To everybody."`
	Op    int32         `default:"1000" help:"Op of the message, 100 or more."`
	Lane  string        `enum:",system,gift,chat,ambient" default:"" help:"Priority: system, gift, chat or ambient."`
	TTL   time.Duration `name:"ttl" help:"Nobody is served any more after this time."`
	Speed int64         `help:"Links a second, with --all. Default: as fast as it goes."`
	ID    string        `name:"id" help:"Message id, which makes repeating harmless."`

	API        string        `name:"api" default:"http://127.0.0.1:3111" help:"Where logic's HTTP API is."`
	APIKeyFile string        `name:"api-key-file" type:"path" help:"File that holds the bearer key."`
	Timeout    time.Duration `default:"10s" help:"How long to wait for the answer."`
	Goim       bool          `help:"Use goim's own API, for servers that have only that."`
}

// Examples are shown at the end of --help.
func (s *Send) Examples() string {
	return `
	oort client send --room live://1000 hello
	echo '{"test":1}' | oort client send --room live://1000 --op 1001
	oort client send --mid 7 --mid 8 --lane gift "a rose"
	oort client send --all --speed 10000 --ttl 30s "maintenance at noon"`
}

// Validate refuses what no server takes.
func (s *Send) Validate() error {
	if s.Op < 100 {
		return fmt.Errorf("--op must be 100 or more, not %d: ops below are the protocol's own", s.Op)
	}
	if s.Room != "" {
		return checkRoom(s.Room)
	}
	return nil
}

func checkRoom(room string) error {
	if _, err := ident.ParseRoom(room); err != nil {
		return fmt.Errorf("room %q is not of the form type://id, such as live://1000", room)
	}
	return nil
}

// maxBody bounds what is read from standard input; servers refuse less.
const maxBody = 16 << 20

// Run pushes and prints the id under which the message is stored.
func (s *Send) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	p, err := s.push(in)
	if err != nil {
		return err
	}
	c, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	if s.Goim {
		return explain(c.Goim(ctx, p))
	}
	r, err := c.Push(ctx, p)
	if err != nil {
		return explain(err)
	}
	fmt.Fprintf(out, "stored %s\n", r.ID)
	for _, key := range r.Absent {
		fmt.Fprintf(out, "absent key %s\n", printable(key))
	}
	for _, mid := range r.AbsentMids {
		fmt.Fprintf(out, "absent mid %d\n", mid)
	}
	return nil
}

// explain says what the sender may do.
func explain(err error) error {
	if errors.Is(err, push.ErrUnknown) {
		return fmt.Errorf("%w (sending again may double it, unless both have the same --id)", err)
	}
	return err
}

func (s *Send) push(in io.Reader) (push.Push, error) {
	p := push.Push{ID: s.ID, Room: s.Room, Keys: s.Key, Mids: s.Mid, All: s.All,
		Op: s.Op, Lane: s.Lane, TTL: s.TTL, Speed: s.Speed, Body: []byte(strings.Join(s.Body, " "))}
	if len(s.Body) > 0 {
		return p, nil
	}
	body, err := io.ReadAll(io.LimitReader(in, maxBody))
	if err != nil {
		return p, fmt.Errorf("standard input: %w", err)
	}
	p.Body = []byte(strings.TrimSuffix(string(body), "\n"))
	return p, nil
}

func (s *Send) client() (*push.Client, error) {
	if s.APIKeyFile == "" {
		return &push.Client{API: s.API}, nil
	}
	key, err := push.ReadKey(s.APIKeyFile)
	return &push.Client{API: s.API, Key: key}, err
}
