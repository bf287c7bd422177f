package consume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/kafka"
)

// pollRecords bounds one poll.
const pollRecords = 8192

// session is one membership in the group of one topic.
type session struct {
	k      *Kafka
	id     job.TopicID
	open   func(job.TopicID, int32) job.Partition
	client *kgo.Client
	budget budget

	// commitMu is held over each commit, and over each change of workers with the
	// commit that belongs to it. So no commit that was put together before a
	// partition was revoked is sent after, when it could set back the next
	// owner's. It is taken before mu, and never on the path of records.
	commitMu    sync.Mutex
	commitFails int // guarded by commitMu; commits that failed in a row

	mu      sync.Mutex
	workers map[int32]*worker // guarded by mu
}

// session reads the topic id until ctx is over (nil) or it cannot go on.
func (k *Kafka) session(ctx context.Context, id job.TopicID, open func(job.TopicID, int32) job.Partition) error {
	s := &session{k: k, id: id, open: open, workers: make(map[int32]*worker)}
	s.budget.init(budgetBytes)
	client, err := k.cfg.client(append(group(k.cfg, id),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.lost),
		kgo.AdjustFetchOffsetsFn(s.starting),
	)...)
	if err != nil {
		return err
	}
	s.client = client
	k.using(client)
	defer k.using(nil)

	committing, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.commitEvery(committing, k.cfg.Commit) })
	err = s.read(ctx)
	if err == nil {
		s.drain()
	}
	stop()
	wg.Wait()
	s.commit()
	client.CloseAllowingRebalance()
	s.lost(context.Background(), client, s.owned())
	return err
}

// read polls until ctx is over (nil) or the topic is another.
func (s *session) read(ctx context.Context) error {
	for fails := 0; ; {
		if s.budget.wait(ctx) != nil {
			return nil
		}
		fetches := s.client.PollRecords(ctx, pollRecords)
		if ctx.Err() != nil {
			s.client.AllowRebalance()
			return nil
		}
		err := s.hand(fetches)
		s.client.AllowRebalance()
		if err != nil {
			return err
		}
		if fails, err = s.troubles(ctx, fetches, fails); err != nil {
			return err
		}
	}
}

// hand gives a poll's records to the workers.
func (s *session) hand(fetches kgo.Fetches) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fetch := range fetches {
		for _, topic := range fetch.Topics {
			if id := job.TopicID(topic.TopicID); id != s.id && id != (job.TopicID{}) {
				return fmt.Errorf("%w: %x instead of %x", errTopicChanged, id, s.id)
			}
			for _, p := range topic.Partitions {
				if w := s.workers[p.Partition]; w != nil && len(p.Records) > 0 {
					w.put(p.Records)
				}
			}
		}
	}
	return nil
}

// troubles looks at a poll's errors. franz-go goes on by itself with what can be
// tried again, but tells of it at once each time; so this waits a little.
func (s *session) troubles(ctx context.Context, fetches kgo.Fetches, fails int) (int, error) {
	var err error
	fetches.EachError(func(_ string, _ int32, e error) { err = e })
	if err == nil {
		return 0, nil
	}
	if fails == 0 {
		s.k.cfg.Log.Warn("consume: fetch failed", "topic", s.k.cfg.Topic, "err", err)
	}
	s.k.metrics.fetchErrors.Inc()
	if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.InconsistentTopicID) {
		if id, e := s.k.topicID(ctx); e != nil || id != s.id {
			return 0, fmt.Errorf("%w: %w", errTopicChanged, err)
		}
	}
	if fetches.NumRecords() == 0 {
		sleep(ctx, kafka.Backoff(fails+1))
	}
	return fails + 1, nil
}

// assigned begins to work on partitions.
func (s *session) assigned(_ context.Context, _ *kgo.Client, owned map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, number := range owned[s.k.cfg.Topic] {
		s.workers[number] = startWorker(s, number)
	}
	s.k.metrics.partitions.Set(float64(len(s.workers)))
}

// starting tells the workers where they begin, so that they notice what is gone.
func (s *session) starting(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number, offset := range offsets[s.k.cfg.Topic] {
		if w := s.workers[number]; w != nil {
			w.next.Store(offset.EpochOffset().Offset)
		}
	}
	return offsets, nil
}

// revoked gives partitions up in order: what is finished is committed.
func (s *session) revoked(_ context.Context, _ *kgo.Client, revoked map[string][]int32) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	gone := s.remove(revoked[s.k.cfg.Topic])
	s.commitLocked(gone)
	closeAll(gone)
}

// lost gives partitions up that others may own already: nothing is committed.
func (s *session) lost(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	closeAll(s.remove(lost[s.k.cfg.Topic]))
}

// remove takes the workers of partitions out and stops them.
func (s *session) remove(numbers []int32) map[int32]*worker {
	gone := make(map[int32]*worker)
	s.mu.Lock()
	for _, number := range numbers {
		if w := s.workers[number]; w != nil {
			gone[number] = w
			delete(s.workers, number)
		}
	}
	s.k.metrics.partitions.Set(float64(len(s.workers)))
	s.mu.Unlock()
	for _, w := range gone {
		w.stop()
	}
	return gone
}

func closeAll(workers map[int32]*worker) {
	for _, w := range workers {
		w.partition.Close()
	}
}

// owned are the partitions that have a worker.
func (s *session) owned() map[string][]int32 {
	return map[string][]int32{s.k.cfg.Topic: slices.Collect(maps.Keys(s.current()))}
}

// current is a copy of workers.
func (s *session) current() map[int32]*worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.workers)
}

// drain waits until what was read is answered, or the time for that is over.
func (s *session) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), s.k.cfg.Drain)
	defer cancel()
	for _, w := range s.current() {
		if w.drain(ctx) != nil {
			s.k.cfg.Log.Warn("consume: stopping with records unanswered; they will be read again",
				"waited", s.k.cfg.Drain)
			return
		}
	}
}

// commitEvery commits in the background.
func (s *session) commitEvery(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.commit()
		}
	}
}

// commit commits what all workers have finished.
func (s *session) commit() {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.commitLocked(s.current())
}

// commitTimeout of one commit; what it could not commit is left to the next.
const commitTimeout = 3 * time.Second

// commitLocked commits what workers have finished since their last commit.
func (s *session) commitLocked(workers map[int32]*worker) {
	offsets := make(map[int32]kgo.EpochOffset)
	for number, w := range workers {
		if last, ok := w.partition.Finished(); ok && last != w.committed {
			offsets[number] = kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}
		}
	}
	if len(offsets) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if err := commitOffsets(ctx, s.client, s.k.cfg.Topic, offsets); err != nil {
		s.k.metrics.commitErrors.Inc()
		if s.commitFails++; s.commitFails == 1 {
			s.k.cfg.Log.Warn("consume: offsets not committed; trying again", "topic", s.k.cfg.Topic, "err", err)
		}
		return
	}
	s.commitFails = 0
	s.k.metrics.commits.Inc()
	for number, at := range offsets {
		workers[number].committed = job.Position{LeaderEpoch: at.Epoch, Offset: at.Offset - 1}
	}
}
