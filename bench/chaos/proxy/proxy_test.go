package proxy

import (
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo serves one line of bytes back, and tells what it got.
func echo(t *testing.T) (addr string, got chan string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got = make(chan string, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 64)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					got <- string(buf[:n])
					if _, err := c.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), got
}

func open(t *testing.T) (p *Proxy, got chan string) {
	addr, got := echo(t)
	p, err := Listen("127.0.0.1:0", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, got
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// says sends a word and reports what comes back within d.
func says(c net.Conn, word string, d time.Duration) (string, error) {
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	_ = c.SetReadDeadline(time.Now().Add(d))
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

const (
	soon = 10 * time.Second       // an answer comes before
	hold = 100 * time.Millisecond // how long an answer is seen not to come
)

func timedOut(err error) bool { e, ok := err.(net.Error); return ok && e.Timeout() }

func TestModes(t *testing.T) {
	for _, tc := range []struct {
		mode    Mode
		arrives bool // what is sent during it
		answer  bool // comes
		told    bool // the connection is reset at once
	}{
		{Pass, true, true, false},
		{Refuse, false, false, true},
		{Silence, false, false, false},
		{OneWay, true, false, false},
	} {
		t.Run(tc.mode.String(), func(t *testing.T) {
			p, got := open(t)
			c := dial(t, p)
			if answer, err := says(c, "before", soon); answer != "before" {
				t.Fatalf("%q, %v", answer, err)
			}
			<-got
			p.Set(tc.mode)
			answer, err := says(c, "during", map[bool]time.Duration{true: soon, false: hold}[tc.answer || tc.told])
			if (answer == "during") != tc.answer || !tc.answer && timedOut(err) == tc.told {
				t.Errorf("answer %q, %v", answer, err)
			}
			if tc.arrives {
				if word := <-got; word != "during" {
					t.Errorf("%q arrived", word)
				}
			}
			p.Set(Pass)
			if tc.mode != Pass {
				if answer, err := says(c, "after", soon); err == nil || timedOut(err) {
					t.Errorf("a connection that missed bytes goes on: %q, %v", answer, err)
				}
				select {
				case word := <-got:
					if !(tc.mode == Silence && word == "during") { // held at the proxy when it was let go
						t.Errorf("%q arrived late", word)
					}
				default:
				}
			}
			if answer, err := says(dial(t, p), "new", soon); answer != "new" {
				t.Errorf("a new connection: %q, %v", answer, err)
			}
		})
	}
}

func TestNobodyBehind(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	p, err := Listen("127.0.0.1:0", gone)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return // it was reset before the dial had returned
	}
	defer c.Close()
	if answer, err := says(c, "hello", soon); err == nil || timedOut(err) {
		t.Errorf("%q, %v", answer, err)
	}
}
