package directory

import (
	"context"
	"fmt"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/logicpb"
)

var _ job.Finder = (*Logic)(nil)

// Where implements job.Finder.
func (l *Logic) Where(ctx context.Context, keys []string) ([]job.ServerID, error) {
	reply, err := l.client.Where(ctx, &logicpb.WhereRequest{Keys: keys})
	if err != nil {
		return nil, fmt.Errorf("directory: where keys live: %w", err)
	}
	if len(reply.GetServers()) != len(keys) {
		return nil, fmt.Errorf("directory: logic names %d comets for %d keys", len(reply.GetServers()), len(keys))
	}
	servers := make([]job.ServerID, len(keys))
	for i, server := range reply.GetServers() {
		servers[i] = job.ServerID(server)
	}
	return servers, nil
}
