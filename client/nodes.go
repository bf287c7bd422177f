package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// ErrNoNodes: logic knows of no comet that takes links.
var ErrNoNodes = errors.New("client: no nodes")

// Nodes asks logic, at api ("http://host:3111"), where to dial, by goim's
// /goim/nodes/weighted, and returns addresses for Options.Addr, best first.
// scheme is "tcp" or "ws". Where the API wants a bearer key, hc's transport
// must add it.
func Nodes(ctx context.Context, hc *http.Client, api, scheme string) ([]string, error) {
	platform := "go"
	if scheme == "ws" {
		platform = "web" // goim's name for those who connect by WebSocket
	}
	u := strings.TrimSuffix(api, "/") + "/goim/nodes/weighted?platform=" + platform
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("client: nodes of %q: %w", api, err)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, fmt.Errorf("client: nodes of %q: %w", api, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("client: nodes of %q: %w", api, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("client: nodes of %q: %s: %.100q", api, resp.Status, body)
	}
	return parseNodes(body, scheme)
}

func parseNodes(body []byte, scheme string) ([]string, error) {
	var reply struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    struct {
			TCPPort int      `json:"tcp_port"`
			WSPort  int      `json:"ws_port"`
			Nodes   []string `json:"nodes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("client: nodes: %w in %.100q", err, body)
	}
	if reply.Code != 0 {
		return nil, fmt.Errorf("client: nodes: %q (%d)", reply.Message, reply.Code)
	}
	port := reply.Data.TCPPort
	if scheme == "ws" {
		port = reply.Data.WSPort
	}
	if len(reply.Data.Nodes) == 0 {
		return nil, ErrNoNodes
	}
	addrs := make([]string, len(reply.Data.Nodes))
	for i, node := range reply.Data.Nodes {
		addrs[i] = nodeAddr(scheme, node, port)
	}
	return addrs, nil
}

// nodeAddr: a node is a host, or host:port where its port differs.
func nodeAddr(scheme, node string, port int) string {
	if _, _, err := net.SplitHostPort(node); err != nil {
		node = net.JoinHostPort(node, strconv.Itoa(port))
	}
	if scheme == "ws" {
		return "ws://" + node + "/sub"
	}
	return scheme + "://" + node
}
