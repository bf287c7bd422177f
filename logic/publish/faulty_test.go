package publish

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// verdict is what becomes of one produce request on its way.
type verdict int

const (
	pass    verdict = iota
	cutAsk          // the request is not forwarded; the connection breaks
	cutTell         // the request is forwarded; the connection breaks before its reply
	swallow         // the request is forwarded; no reply ever comes
	lie             // the request is forwarded; the reply says liar's code
)

// faulty stands between a publisher and its broker and judges each produce
// request. It knows enough of Kafka's protocol to tell them from others and to
// change their replies.
type faulty struct {
	t     testing.TB
	code  int16
	judge func() verdict
	wg    sync.WaitGroup
}

// openFaulty opens a publisher behind judge.
func openFaulty(t testing.TB, cfg Config, f *faulty) *Kafka {
	t.Helper()
	f.t, cfg.Brokers.Dial = t, f.dial
	k, err := OpenKafka(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()     // what hangs by design is not waited for
		k.Close(ctx) //nolint:errcheck // see above
		f.wg.Wait()
	})
	return k
}

// dial gives the publisher one end of a pipe; its other end talks to the
// broker.
func (f *faulty) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	broker, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	l := &leg{faulty: f, client: far, broker: broker, fates: make(map[uint32]fate)}
	f.wg.Go(l.requests)
	f.wg.Go(l.replies)
	return near, nil
}

// fate of one produce request.
type fate struct {
	verdict verdict
	version int16
}

// leg is one connection.
type leg struct {
	*faulty
	client, broker net.Conn

	mu    sync.Mutex
	fates map[uint32]fate // guarded by mu; by correlation id
}

func (l *leg) end() {
	l.client.Close()
	l.broker.Close()
}

func (l *leg) requests() {
	defer l.end()
	for {
		b, err := frame(l.client)
		if err != nil {
			return
		}
		if key := binary.BigEndian.Uint16(b[4:]); key == 0 {
			v := l.judge()
			if v == cutAsk {
				return
			}
			l.mu.Lock()
			l.fates[binary.BigEndian.Uint32(b[8:])] = fate{v, int16(binary.BigEndian.Uint16(b[6:]))}
			l.mu.Unlock()
		}
		if _, err := l.broker.Write(b); err != nil {
			return
		}
	}
}

func (l *leg) replies() {
	defer l.end()
	for {
		b, err := frame(l.broker)
		if err != nil {
			return
		}
		l.mu.Lock()
		f := l.fates[binary.BigEndian.Uint32(b[4:])]
		l.mu.Unlock()
		switch f.verdict {
		case cutTell:
			return
		case swallow:
			continue
		case lie:
			b = l.lies(b, f.version)
		}
		if _, err := l.client.Write(b); err != nil {
			return
		}
	}
}

// lies changes a produce reply's codes.
func (l *leg) lies(b []byte, version int16) []byte {
	var r kmsg.ProduceResponse
	r.Version = version
	header := 8 // size, correlation id
	if r.IsFlexible() {
		header++ // no tags
	}
	if err := r.ReadFrom(b[header:]); err != nil {
		l.t.Error(err)
	}
	for i := range r.Topics {
		for j := range r.Topics[i].Partitions {
			r.Topics[i].Partitions[j].ErrorCode = l.code
		}
	}
	out := r.AppendTo(append([]byte(nil), b[:header]...))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// frame reads one length-prefixed message, prefix included.
func frame(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	b := make([]byte, 4+binary.BigEndian.Uint32(head))
	copy(b, head)
	_, err := io.ReadFull(r, b[4:])
	return b, err
}
