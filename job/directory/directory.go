// Package directory reads from logic which comets live. It implements
// job.Directory.
package directory

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/logicpb"
)

// Logic asks logic for the list.
type Logic struct {
	client logicpb.LogicClient
}

var _ job.Directory = (*Logic)(nil)

// New returns a directory that asks over conn, which stays the caller's.
func New(conn grpc.ClientConnInterface) *Logic {
	return &Logic{client: logicpb.NewLogicClient(conn)}
}

// Comets implements job.Directory. A draining comet is listed like others: it
// still has links.
func (l *Logic) Comets(ctx context.Context) ([]job.Comet, error) {
	reply, err := l.client.Comets(ctx, &logicpb.CometsRequest{})
	if err != nil {
		return nil, fmt.Errorf("directory: list of comets: %w", err)
	}
	comets := make([]job.Comet, 0, len(reply.GetComets()))
	for _, c := range reply.GetComets() {
		if c.GetServer() == "" {
			return nil, fmt.Errorf("directory: logic names a comet %q at %q", c.GetServer(), c.GetGrpcAddr())
		}
		comets = append(comets, job.Comet{Server: job.ServerID(c.GetServer()), Addr: c.GetGrpcAddr()})
	}
	return comets, nil
}
