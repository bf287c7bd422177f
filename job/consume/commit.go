package consume

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitOffsets commits offsets of topic and returns the first error.
func commitOffsets(ctx context.Context, client *kgo.Client, topic string, offsets map[int32]kgo.EpochOffset) (err error) {
	all := map[string]map[int32]kgo.EpochOffset{topic: offsets}
	client.CommitOffsetsSync(ctx, all, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, e error) {
		if err = e; err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if e := kerr.ErrorForCode(p.ErrorCode); e != nil && err == nil {
					err = e
				}
			}
		}
	})
	return err
}
