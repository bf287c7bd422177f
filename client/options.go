package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Options of a link. Only Addr is required; the zero value of any other field
// means its default.
type Options struct {
	// Addr is where a comet listens: "tcp://host:3101", "ws://host:3102/sub"
	// or "wss://host/sub". Without a scheme it is TCP, without a path "/sub".
	Addr string

	// Who the link is. A comet in open mode trusts these; one that checks
	// tokens takes them from Token where the token has them.
	Mid      int64   // user id; zero means an anonymous one
	Key      string  // device id, unique while online; empty: the server deals one
	Room     string  // "type://id"; empty: no room until ChangeRoom
	Platform string  // free text for statistics
	Accepts  []int32 // ops wanted, 18 among them for gap markers; empty: every op but 18
	Token    string  // JWT

	// Heartbeat is the time between heartbeats. Zero means 30 s; negative
	// means none, and the server will close the link in its own time.
	Heartbeat time.Duration
	// Timeout bounds the handshake as a whole, each write, and the silence
	// after a heartbeat. Zero means 10 s.
	Timeout time.Duration
	// MaxFrame is the longest frame (on WebSocket: message) taken from the
	// server, in bytes. Zero means 1 MiB.
	MaxFrame int
	// Buffer is how many messages wait for Recv before the link stops
	// reading, and so lets the server see a slow client. Zero means 16.
	Buffer int

	// Handle, if set, is given each message on the goroutine that reads the
	// link, instead of Recv and Messages; Body is valid only in the call. It
	// spares a channel and a copy a message.
	Handle func(Message)
	// OnOnline, if set, is told the room's online count with each heartbeat
	// reply, on the goroutine that reads the link.
	OnOnline func(n int)
	// Dial opens the TCP connection, for programs that choose source
	// addresses or count descriptors. Nil means a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

const (
	defaultHeartbeat = 30 * time.Second
	defaultTimeout   = 10 * time.Second
	defaultMaxFrame  = 1 << 20
	defaultBuffer    = 16
)

func (o Options) withDefaults() Options {
	if o.Heartbeat == 0 {
		o.Heartbeat = defaultHeartbeat
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxFrame <= 0 {
		o.MaxFrame = defaultMaxFrame
	}
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

// target splits Addr into scheme and what that scheme's dialler wants.
func (o *Options) target() (scheme, target string, err error) {
	addr := o.Addr
	if !strings.Contains(addr, "://") {
		addr = "tcp://" + addr
	}
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" {
		return "", "", fmt.Errorf("client: %w %q: want tcp://host:port or ws://host:port/sub", ErrAddr, o.Addr)
	}
	switch u.Scheme {
	case "tcp":
		return "tcp", u.Host, nil
	case "ws", "wss":
		if u.Path == "" || u.Path == "/" {
			u.Path = "/sub"
		}
		return u.Scheme, u.String(), nil
	}
	return "", "", fmt.Errorf("client: %w %q: unknown scheme %q", ErrAddr, o.Addr, u.Scheme)
}

// authBody is goim's auth JSON; token is ours.
type authBody struct {
	Mid      int64   `json:"mid,omitempty"`
	Key      string  `json:"key"`
	Room     string  `json:"room_id"`
	Platform string  `json:"platform,omitempty"`
	Accepts  []int32 `json:"accepts,omitempty"`
	Token    string  `json:"token,omitempty"`
}

func (o *Options) auth() ([]byte, error) {
	b, err := json.Marshal(authBody{o.Mid, o.Key, o.Room, o.Platform, o.Accepts, o.Token})
	if err != nil {
		return nil, fmt.Errorf("client: auth: %w", err)
	}
	return b, nil
}
