// Package jobtest holds what the tests of job and of its parts share: a comet
// that keeps its side of the contract and records what it was sent.
package jobtest

import (
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/pushpb"
)

// Place is where a record was, with its push.
type Place struct {
	Topic     string
	Partition int32
	Epoch     int32
	Offset    int64
	Push      *pushpb.Push
}

// Comet applies batches as the contract says: of each partition in order, and
// nothing at or below the mark; of that it says which keys it did not find. Any number of jobs may be connected.
type Comet struct {
	cometpb.UnimplementedCometServer
	server string

	mu       sync.Mutex
	applied  []Place                      // guarded by mu; in the order of application
	replayed int                          // guarded by mu
	marks    map[markKey]mark             // guarded by mu
	batches  []int                        // guarded by mu; records of each batch
	stalled  chan struct{}                // guarded by mu; while open, nothing is answered
	mute     bool                         // guarded by mu; apply, but break the stream instead of answering
	maxBytes uint32                       // guarded by mu
	cuts     map[chan struct{}]bool       // guarded by mu; one a stream
	changed  chan struct{}                // guarded by mu; closed with each application
	outcome  func(Place) *cometpb.Outcome // guarded by mu
	missing  map[placeKey][]string        // guarded by mu; keys that a record did not find
}

type markKey struct {
	topic     string
	partition int32
}

type placeKey struct {
	markKey
	mark
}

type mark struct {
	epoch  int32
	offset int64
}

func (m mark) below(epoch int32, offset int64) bool {
	return m.epoch < epoch || m.epoch == epoch && m.offset < offset
}

// NewComet is a comet of that server id.
func NewComet(server string) *Comet {
	return &Comet{
		server: server, marks: make(map[markKey]mark), maxBytes: 1 << 20,
		cuts: make(map[chan struct{}]bool), changed: make(chan struct{}),
		missing: make(map[placeKey][]string),
	}
}

// Listen serves the comet by gRPC on an address of loopback; call stop.
func (c *Comet) Listen() (addr string, stop func(), err error) {
	return c.ListenOn("127.0.0.1:0")
}

// ListenOn is Listen at an address.
func (c *Comet) ListenOn(at string) (addr string, stop func(), err error) {
	ln, err := net.Listen("tcp", at)
	if err != nil {
		return "", nil, err
	}
	srv := grpc.NewServer()
	cometpb.RegisterCometServer(srv, c)
	go srv.Serve(ln) //nolint:errcheck // ends with stop
	return ln.Addr().String(), srv.Stop, nil
}

// Push implements cometpb.CometServer.
func (c *Comet) Push(stream grpc.BidiStreamingServer[cometpb.ToComet, cometpb.FromComet]) error {
	if err := c.welcome(stream); err != nil {
		return err
	}
	cut := make(chan struct{})
	c.mu.Lock()
	c.cuts[cut] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.cuts, cut)
		c.mu.Unlock()
	}()
	served := make(chan error, 1)
	go func() { served <- c.serve(stream) }()
	select {
	case err := <-served:
		return err
	case <-cut:
		return status.Error(codes.Unavailable, "cut")
	}
}

func (c *Comet) welcome(stream grpc.BidiStreamingServer[cometpb.ToComet, cometpb.FromComet]) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	if hello := m.GetHello(); hello.GetServer() != c.server {
		return status.Errorf(codes.FailedPrecondition, "this is %q, not %q", c.server, hello.GetServer())
	}
	c.mu.Lock()
	max := c.maxBytes
	c.mu.Unlock()
	return stream.Send(&cometpb.FromComet{Kind: &cometpb.FromComet_Welcome{
		Welcome: &cometpb.Welcome{Server: c.server, MaxBatchBytes: max},
	}})
}

func (c *Comet) serve(stream grpc.BidiStreamingServer[cometpb.ToComet, cometpb.FromComet]) error {
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		b := m.GetBatch()
		if b == nil {
			continue
		}
		c.mu.Lock()
		stalled := c.stalled
		c.mu.Unlock()
		if stalled != nil {
			select {
			case <-stalled:
			case <-stream.Context().Done():
				return stream.Context().Err()
			}
		}
		ack, mute := c.apply(b)
		if mute {
			return status.Error(codes.Unavailable, "mute")
		}
		if err := stream.Send(&cometpb.FromComet{Kind: &cometpb.FromComet_Ack{Ack: ack}}); err != nil {
			return err
		}
	}
}

func (c *Comet) apply(b *cometpb.Batch) (ack *cometpb.Ack, mute bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ack = &cometpb.Ack{Seq: b.GetSeq()}
	key := markKey{string(b.GetTopicId()), b.GetPartition()}
	for _, r := range b.GetRecords() {
		if at, known := c.marks[key]; known && !at.below(r.GetLeaderEpoch(), r.GetOffset()) {
			c.replayed++
			missing := c.missing[placeKey{key, mark{r.GetLeaderEpoch(), r.GetOffset()}}]
			ack.Outcomes = append(ack.Outcomes, &cometpb.Outcome{Replayed: true, Missing: missing})
			continue
		}
		c.marks[key] = mark{r.GetLeaderEpoch(), r.GetOffset()}
		p := Place{key.topic, key.partition, r.GetLeaderEpoch(), r.GetOffset(), r.GetPush()}
		c.applied = append(c.applied, p)
		out := &cometpb.Outcome{Links: 1}
		if c.outcome != nil {
			out = c.outcome(p)
		}
		if len(out.Missing) > 0 {
			c.missing[placeKey{key, c.marks[key]}] = out.Missing
		}
		ack.Outcomes = append(ack.Outcomes, out)
	}
	c.batches = append(c.batches, len(b.GetRecords()))
	close(c.changed)
	c.changed = make(chan struct{})
	return ack, c.mute
}

// Applied is what was applied so far, in order.
func (c *Comet) Applied() []Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Place(nil), c.applied...)
}

// Count is how many records were applied so far.
func (c *Comet) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.applied)
}

// Replayed is how many records lay below the mark.
func (c *Comet) Replayed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replayed
}

// Batches are the sizes of the batches so far, in records.
func (c *Comet) Batches() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int(nil), c.batches...)
}

// Changed is closed when something more has been applied or replayed.
func (c *Comet) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Stall lets no batch be answered or applied until resume is called.
func (c *Comet) Stall() (resume func()) {
	stalled := make(chan struct{})
	c.mu.Lock()
	c.stalled = stalled
	c.mu.Unlock()
	return sync.OnceFunc(func() {
		c.mu.Lock()
		c.stalled = nil
		c.mu.Unlock()
		close(stalled)
	})
}

// Mute makes the comet apply batches and break the stream instead of answering.
func (c *Comet) Mute(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute = on
}

// MaxBatch sets what Welcome says.
func (c *Comet) MaxBatch(bytes uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.maxBytes = bytes
}

// Answer sets what an applied record's outcome is.
func (c *Comet) Answer(outcome func(Place) *cometpb.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome = outcome
}

// Streams is how many jobs are connected.
func (c *Comet) Streams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.cuts)
}

// Cut breaks every stream.
func (c *Comet) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cut := range c.cuts {
		close(cut)
		delete(c.cuts, cut)
	}
}
