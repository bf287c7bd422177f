package raw

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crowdVar holds, in a process that is a crowd, the address to dial.
const crowdVar = "OORT_RAW_CROWD"

func TestMain(m *testing.M) {
	if addr := os.Getenv(crowdVar); addr != "" {
		(&members{addr: addr}).serve(os.Stdin, os.Stdout)
		return
	}
	os.Exit(m.Run())
}

// crowd is a process of peers, so that they need none of this one's
// descriptors.
type crowd struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Reader
}

func newCrowd(t testing.TB, addr string) *crowd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crowdVar+"="+addr)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // ends it
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &crowd{t, in, bufio.NewReader(out)}
}

// state is what a crowd says of itself.
type state struct{ live, refused, lost int }

// ask has the crowd do what members.serve knows.
func (c *crowd) ask(what string, n int) (s state) {
	c.t.Helper()
	fmt.Fprintf(c.in, "%s %d\n", what, n)
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	if _, err := fmt.Sscan(line, &s.live, &s.refused, &s.lost); err != nil {
		c.t.Fatalf("%s: %v", line, err)
	}
	return s
}

// members are the peers in the process of a crowd.
type members struct {
	addr string

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
	state            // guarded by mu
}

func (m *members) serve(in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		what, count, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.Atoi(count)
		m.refused, m.lost = 0, 0
		switch what {
		case "dial": // n times
			for range n {
				m.dial()
			}
		case "fill":
			m.fill(n)
		case "close": // the first n
			for _, c := range m.conns[:n] {
				c.Close()
			}
			m.conns = m.conns[n:]
		case "time": // n echoes of the last
			m.refused, m.lost = m.time(n)
		case "echo": // all
			for _, c := range m.conns {
				if echoes(c) != nil {
					m.lost++
				}
			}
		}
		fmt.Fprintln(out, len(m.conns), m.refused, m.lost)
	}
}

// fill has many dial at once until each was refused n times in a row.
func (m *members) fill(n int) {
	var dialling sync.WaitGroup
	for range 16 {
		dialling.Go(func() {
			for row := 0; row < n; row++ {
				if !m.dial() {
					row = -1
				}
			}
		})
	}
	dialling.Wait()
}

// dial adds a connection that was answered, or counts it as refused, or as
// lost if it was established and then reset.
func (m *members) dial() (refused bool) {
	c, err := net.DialTimeout("tcp", m.addr, 10*time.Second)
	refused = errors.Is(err, syscall.ECONNREFUSED)
	if err == nil {
		err = echoes(c)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case refused:
		m.refused++
	case err != nil:
		m.lost++
	default:
		m.conns = append(m.conns, c)
	}
	return refused
}

// time is how long echoes take, in microseconds: the median, and what one in a
// hundred takes longer than.
func (m *members) time(n int) (p50, p99 int) {
	took := make([]int, n)
	for i := range took {
		time.Sleep(time.Millisecond)
		start := time.Now()
		if echoes(m.conns[len(m.conns)-1]) != nil {
			return -1, -1
		}
		took[i] = int(time.Since(start).Microseconds())
	}
	slices.Sort(took)
	return took[n/2], took[n*99/100]
}

func echoes(c net.Conn) error {
	one := []byte{1}
	if _, err := c.Write(one); err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := io.ReadFull(c, one)
	return err
}
