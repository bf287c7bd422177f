package rpc_test

import (
	"fmt"
	"testing"

	"github.com/oortim/oort/logic/rpc"
	"github.com/oortim/oort/proto/logicpb"
)

// BenchmarkSessions measures a login through gRPC over loopback and memory
// sessions, both sides on the same cores, in batches that follow one another.
func BenchmarkSessions(b *testing.B) {
	for _, size := range []int{1, 64} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := newWorld(b, rpc.Options{}).stream()
			link := uint64(0)
			for b.Loop() {
				batch := &logicpb.SessionBatch{Server: "c1@1"}
				for range size {
					link++
					batch.Connects = append(batch.Connects, &logicpb.Connect{Link: link})
				}
				if err := s.Send(batch); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Recv(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(link), "ns/login")
		})
	}
}
