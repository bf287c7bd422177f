package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Host deals an address of loopback that is not 127.0.0.1.
func Host() string { return fmt.Sprintf("127.0.0.%d", 2+rand.IntN(250)) }

// FreePort finds an address on host with a port that nobody uses now, for
// programs that cannot take port 0.
func FreePort(t testing.TB, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatalf("rig: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}
