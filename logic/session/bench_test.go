package session_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/logic/session/sessiontest"
	"github.com/oortim/oort/proto/ident"
)

// BenchmarkConnect measures a login in batches; ns/op is for one login.
func BenchmarkConnect(b *testing.B) {
	for _, size := range []int{1, 64, 512} {
		b.Run(fmt.Sprint("memory/", size), func(b *testing.B) {
			benchmarkConnect(b, session.NewMemory(session.TTLs{}, nil), size)
		})
		b.Run(fmt.Sprint("redis/", size), func(b *testing.B) {
			benchmarkConnect(b, open(b, session.RedisConfig{Addrs: []string{sessiontest.StartRedis(b).Addr}}), size)
		})
	}
}

func benchmarkConnect(b *testing.B, store logic.Store, size int) {
	logins := make([]logic.Login, size)
	link := uint64(0)
	for b.Loop() {
		for i := range logins {
			link++
			logins[i] = logic.Login{Key: ident.Key(fmt.Sprint("key", link)), Mid: int64(link), Server: "c1@1", Link: link}
		}
		for _, r := range store.Connect(context.Background(), logins) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(link), "ns/login")
}
