package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oortim/oort/deploy/e2e/rig"
	"github.com/oortim/oort/proto/frame"
)

// BenchmarkRefused logs in with forged tokens (ES256), judged by logic or by the
// comet itself, and tells what a refusal costs each process.
//
//	go test -run xxx -bench Refused -benchtime 20000x ./deploy/e2e
func BenchmarkRefused(b *testing.B) {
	key, forger := ecKey(b), ecKey(b)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "key.pem")
	write(b, file, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	forged, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"mid": 7, "exp": time.Now().Add(time.Hour).Unix()}).SignedString(forger)
	if err != nil {
		b.Fatal(err)
	}
	redis, kafka, at := rig.StartRedis(b), rig.StartKafka(b, bin), rig.Host()+":0"
	check := []string{"--jwt-alg", "ES256", "--jwt-key", file, "--auth-failures=-1", "--admin", at, "--grpc", at}
	logic := rig.StartOort(b, bin, "logic", append(check, "--auth", "jwt", "--redis", redis.Addr, "--kafka", kafka.Addr, "--http", at)...)
	plain := []string{"--name", "c1", "--tcp", at, "--ws", "", "--logic", logic.Addrs["grpc"]}
	for name, flags := range map[string][]string{
		"by logic": append([]string{"--admin", at, "--grpc", at}, plain...),
		"by comet": append(check[:len(check):len(check)], plain...),
	} {
		b.Run(name, func(b *testing.B) {
			comet := rig.StartOort(b, bin, "comet", flags...)
			cpu := []time.Duration{logic.CPU(b), comet.CPU(b)}
			b.ResetTimer()
			refuse(b, comet.Addrs["tcp"], frame.Append(nil, frame.OpAuth, 1, []byte(forged)))
			b.StopTimer()
			each := func(used time.Duration) float64 { return float64(used.Microseconds()) / float64(b.N) }
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refused/s")
			b.ReportMetric(each(logic.CPU(b)-cpu[0]), "logic-µs/op")
			b.ReportMetric(each(comet.CPU(b)-cpu[1]), "comet-µs/op")
		})
	}
}

func ecKey(b *testing.B) *ecdsa.PrivateKey {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return key
}

// refuse makes b.N links that are all refused, 64 at a time.
func refuse(b *testing.B, addr string, auth []byte) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if op := refusedOnce(addr, auth); op != frame.OpDisconnect {
					b.Errorf("op %d", op)
					return
				}
			}
		})
	}
	wg.Wait()
}

func refusedOnce(addr string, auth []byte) frame.Op {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(rig.Patience))
	if _, err := c.Write(auth); err != nil {
		return 0
	}
	all, err := io.ReadAll(bufio.NewReader(c))
	if err != nil || len(all) < frame.HeaderLen {
		return 0
	}
	f, err := frame.Exact(all, 1<<16)
	if err != nil {
		return 0
	}
	return f.Op
}
