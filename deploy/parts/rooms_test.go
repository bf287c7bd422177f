package parts

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/oortim/oort/comet"
	cometrpc "github.com/oortim/oort/comet/rpc"
	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/jobtest"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

const (
	feedComets  = 3
	feedJobs    = 2
	feedLinks   = 24 // in turn on the comets
	feedRounds  = 25 // joins a link
	feedRooms   = 30
	feedBreaks  = 30 * time.Millisecond // between two streams that break
	feedPatient = 30 * time.Second
)

// TestPushAfterJoin: links join rooms, and as soon as a join is answered a
// message is pushed to the room. It arrives, once, though the room may have been
// nobody's on that comet a moment ago, the streams between jobs and comets break
// all the time, and comets that do not have the room are spared.
func TestPushAfterJoin(t *testing.T) {
	w := &feedWorld{t: t, dir: new(jobtest.Directory)}
	var comets []job.Comet
	var addrs []string
	for i := range feedComets {
		c, addr := w.comet(fmt.Sprintf("c%d@1", i))
		comets, addrs = append(comets, c), append(addrs, addr)
	}
	w.dir.Set(comets...)
	for range feedJobs {
		w.job()
	}
	breaking, stop := context.WithCancel(t.Context())
	var breaker, links sync.WaitGroup
	breaker.Go(func() { w.breakStreams(breaking) })
	for i := range feedLinks {
		links.Go(func() { w.wander(addrs[i%feedComets], i) })
	}
	links.Wait()
	stop()
	breaker.Wait()
	sent, spared := w.counted("sent"), w.counted("spared")
	if sent < feedLinks*feedRounds || spared == 0 {
		t.Errorf("%v records sent and %v spared for %d pushes", sent, spared, feedLinks*feedRounds)
	}
	t.Logf("%d pushes: %v records sent, %v spared", feedLinks*feedRounds, sent, spared)
}

// feedWorld is comets and jobs in this process, over real streams.
type feedWorld struct {
	t   testing.TB
	dir *jobtest.Directory

	jobs []*feedJob

	mu    sync.Mutex
	conns []net.Conn // guarded by mu; of jobs to comets
}

// feedJob is a job that owns one partition.
type feedJob struct {
	reg     *prometheus.Registry
	records chan *pushpb.Push
}

// trusting is logic that lets everybody in.
type trusting struct{ comet.Logic }

func (trusting) Sessions(_ context.Context, connects []comet.Connect, _ []comet.Disconnect) (results []comet.Connected, err error) {
	for _, c := range connects {
		results = append(results, comet.Connected{Key: ident.Key(c.Body), AcceptsAll: true, Epoch: c.Link})
	}
	return results, nil
}

func (trusting) Renew(context.Context, comet.Report) (comet.Renewal, error) {
	return comet.Renewal{Lease: time.Minute}, nil
}

func (trusting) Leave(context.Context) error { return nil }

func (w *feedWorld) comet(server string) (job.Comet, string) {
	w.t.Helper()
	c, err := comet.Open(comet.Config{
		Server: ident.Server(server), TCP: []string{"127.0.0.1:0"}, Loops: 2,
		Engine: func(o poller.Options) (poller.Engine, error) { return engines.Open("", o) },
		Times:  comet.Times{Settle: time.Millisecond, Linger: 10 * time.Millisecond},
		Limits: comet.Limits{Rate: 10_000, Burst: 60_000},
		Log:    slog.New(slog.DiscardHandler),
	}, trusting{})
	if err != nil {
		w.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	srv := grpc.NewServer()
	cometpb.RegisterCometServer(srv, cometrpc.NewServer(c, cometrpc.Options{}))
	go srv.Serve(ln) //nolint:errcheck // ends with Stop
	w.t.Cleanup(func() {
		srv.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), feedPatient)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			w.t.Errorf("stop of %s: %v", server, err)
		}
	})
	return job.Comet{Server: job.ServerID(server), Addr: ln.Addr().String()}, c.TCPAddr()
}

// dial is a dispatcher's dial, over connections that breakStreams can find.
func (w *feedWorld) dial(_, addr string) (grpc.ClientConnInterface, io.Closer, error) {
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err == nil {
				w.mu.Lock()
				w.conns = append(w.conns, c)
				w.mu.Unlock()
			}
			return c, err
		}))
	return conn, conn, err
}

func (w *feedWorld) breakStreams(ctx context.Context) {
	beat := time.NewTicker(feedBreaks)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		w.mu.Lock()
		if n := len(w.conns); n > 0 {
			i := rand.IntN(n)
			w.conns[i].Close()
			w.conns = slices.Delete(w.conns, i, i+1)
		}
		w.mu.Unlock()
	}
}

func (w *feedWorld) job() {
	w.t.Helper()
	j := &feedJob{reg: prometheus.NewRegistry(), records: make(chan *pushpb.Push)}
	d, err := dispatch.New(dispatch.Config{Dial: w.dial, Metrics: j.reg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	source := feedSource{number: int32(len(w.jobs)), records: j.records}
	of, err := job.New(job.Config{Source: source, Directory: w.dir, Open: d.Open, Refresh: 10 * time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- of.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
	w.jobs = append(w.jobs, j)
}

// feedSource is one partition whose records come over a channel.
type feedSource struct {
	number  int32
	records chan *pushpb.Push
}

func (s feedSource) Ready(context.Context) error { return nil }

func (s feedSource) Run(ctx context.Context, open func(job.TopicID, int32) job.Partition) error {
	p := open(job.TopicID{1}, s.number)
	defer p.Close()
	for offset := int64(0); ; offset++ {
		select {
		case push := <-s.records:
			r := job.Record{Position: job.Position{Offset: offset}, Push: push, Bytes: 50}
			if err := p.Take(ctx, []job.Record{r}); err != nil {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// push hands a message to the job whose partition has the room.
func (w *feedWorld) push(room int, id string) {
	w.jobs[room%feedJobs].records <- &pushpb.Push{
		Id: id, Kind: pushpb.Kind_KIND_ROOM, Room: roomOf(room), Op: 1000, Body: []byte(id), Lane: pushpb.Lane_LANE_CHAT,
	}
}

func roomOf(n int) string { return fmt.Sprintf("r://%d", n) }

// wander joins one room after the other and pushes to each.
func (w *feedWorld) wander(addr string, number int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * feedPatient))
	l := &feedLink{Conn: conn, r: bufio.NewReader(conn), seen: map[string]bool{}}
	if err := l.ask(frame.OpAuth, fmt.Sprint("key", number)); err != nil {
		w.t.Errorf("link %d: auth: %v", number, err)
		return
	}
	for round := range feedRounds {
		room := rand.IntN(feedRooms)
		if err := l.ask(frame.OpChangeRoom, roomOf(room)); err != nil {
			w.t.Errorf("link %d: join: %v", number, err)
			return
		}
		id := fmt.Sprintf("%d/%d", number, round)
		w.push(room, id)
		if err := l.until(func(f *frame.Frame) bool { return string(f.Body) == id }); err != nil {
			w.t.Errorf("link %d of %s: message %q to room %d: %v", number, addr, id, room, err)
			return
		}
		if rand.IntN(2) == 0 {
			if err := l.ask(frame.OpChangeRoom, ""); err != nil {
				w.t.Errorf("link %d: leave: %v", number, err)
				return
			}
		}
	}
}

// feedLink is a client.
type feedLink struct {
	net.Conn
	r    *bufio.Reader
	seen map[string]bool
}

// ask sends a request and reads up to its reply.
func (l *feedLink) ask(op frame.Op, body string) error {
	if _, err := l.Write(frame.Append(nil, op, 1, []byte(body))); err != nil {
		return err
	}
	return l.until(func(f *frame.Frame) bool { return f.Op == op+1 })
}

// until reads frames until one is it. No message may come twice.
func (l *feedLink) until(it func(*frame.Frame) bool) error {
	for {
		f, err := readFrame(l.r)
		if err != nil {
			return err
		}
		if id := string(f.Body); f.Op == 1000 {
			if l.seen[id] {
				return fmt.Errorf("%q came twice", id)
			}
			l.seen[id] = true
		}
		if it(&f) {
			return nil
		}
	}
}

func (w *feedWorld) counted(choice string) (n float64) {
	w.t.Helper()
	for _, j := range w.jobs {
		families, err := j.reg.Gather()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "oort_job_room_records_total" && m.GetLabel()[0].GetValue() == choice {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

func readFrame(r *bufio.Reader) (frame.Frame, error) {
	length, err := r.Peek(4)
	if err != nil {
		return frame.Frame{}, err
	}
	b := make([]byte, binary.BigEndian.Uint32(length))
	if _, err := io.ReadFull(r, b); err != nil {
		return frame.Frame{}, err
	}
	return frame.Exact(b, len(b))
}
