package rig

import (
	"fmt"
	"testing"
)

// Gateway is a running oort, in one process or in several.
type Gateway struct {
	// Addresses for clients: one of each a comet, as client.Options wants them.
	TCP, WS []string
	// API is where pushes go, "http://host:port".
	API string

	Serve *Oort // the one process; nil in a cluster

	Redis  *Redis // nil in one process, as what follows
	Kafka  *Kafka
	Logic  *Oort
	Job    *Oort
	Comets []*Oort
}

// StartServe runs `oort serve` on free ports with its data in a directory of
// the test.
func StartServe(t testing.TB, b Binaries, engine string, args ...string) *Gateway {
	t.Helper()
	at := Host() + ":0"
	o := StartOort(t, b, "serve", append([]string{
		"--tcp", at, "--ws", at, "--http", at, "--admin", at,
		"--engine", engine, "--data", t.TempDir()}, args...)...)
	g := &Gateway{Serve: o, API: "http://" + o.Addrs["http"]}
	g.addComet(o)
	o.WaitReady(t)
	return g
}

// StartCluster runs Redis, Kafka, logic, job and as many comets as wanted, each
// in a process of its own. args are for all processes of oort.
func StartCluster(t testing.TB, b Binaries, engine string, comets int, args ...string) *Gateway {
	t.Helper()
	g := &Gateway{Redis: StartRedis(t), Kafka: StartKafka(t, b)}
	at := Host() + ":0"
	g.Logic = StartOort(t, b, "logic", append([]string{"--http", at, "--grpc", at, "--admin", at,
		"--redis", g.Redis.Addr, "--kafka", g.Kafka.Addr}, args...)...)
	g.API = "http://" + g.Logic.Addrs["http"]
	for i := range comets {
		at := Host() + ":0"
		o := StartOort(t, b, "comet", append([]string{"--name", fmt.Sprintf("c%d", i+1),
			"--tcp", at, "--ws", at, "--grpc", at, "--admin", at,
			"--engine", engine, "--logic", g.Logic.Addrs["grpc"]}, args...)...)
		g.Comets = append(g.Comets, o)
		g.addComet(o)
	}
	g.Job = StartOort(t, b, "job", append([]string{"--kafka", g.Kafka.Addr, "--logic", g.Logic.Addrs["grpc"],
		"--static", "job-1", "--admin", at}, args...)...)
	for _, o := range append([]*Oort{g.Logic, g.Job}, g.Comets...) {
		o.WaitReady(t)
	}
	return g
}

func (g *Gateway) addComet(o *Oort) {
	g.TCP = append(g.TCP, "tcp://"+o.Addrs["tcp"])
	g.WS = append(g.WS, "ws://"+o.Addrs["ws"]+"/sub")
}

// Addr deals the i-th client an address: comets in turn, and on each half of
// the links by TCP and half by WebSocket.
func (g *Gateway) Addr(i int) string {
	comet := i / 2 % len(g.TCP)
	if i%2 == 0 {
		return g.TCP[comet]
	}
	return g.WS[comet]
}
