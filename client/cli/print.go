package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/oortim/oort/client"
)

// printer writes what happens on a link, for people or as JSON lines. Links
// call it from several goroutines.
type printer struct {
	json bool
	now  func() time.Time

	mu     sync.Mutex // guards what follows
	out    io.Writer
	people int // online count printed last
}

func newPrinter(out io.Writer, json bool) *printer {
	return &printer{out: out, json: json, now: time.Now, people: -1}
}

// event is one line of --json.
type event struct {
	Time   time.Time   `json:"time"`
	Event  string      `json:"event"` // connected, message, gap, online, lost
	Room   string      `json:"room,omitempty"`
	Addr   string      `json:"addr,omitempty"`
	Op     int32       `json:"op,omitempty"`
	Seq    uint32      `json:"seq,omitempty"`
	Body   *string     `json:"body,omitempty"`        // if it is UTF-8
	Base64 []byte      `json:"body_base64,omitempty"` // if it is not
	Gap    *client.Gap `json:"gap,omitempty"`
	Online *int        `json:"online,omitempty"`
	Code   client.Code `json:"code,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Retry  *int64      `json:"retry_ms,omitempty"` // absent: it will not come back
}

// print writes e as JSON, or text for people.
func (p *printer) print(e event, format string, args ...any) error {
	e.Time = p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = p.out.Write(append(b, '\n'))
		return err
	}
	_, err := fmt.Fprintf(p.out, "%s  %s\n", e.Time.Format("15:04:05.000"), fmt.Sprintf(format, args...))
	return err
}

func (p *printer) message(m client.Message) error {
	if m.Gap != nil {
		return p.print(event{Event: "gap", Gap: m.Gap},
			"-- gap: %d messages of lane %s in %s were dropped", m.Gap.Skipped, printable(m.Gap.Lane), printable(m.Gap.Room))
	}
	e := event{Event: "message", Op: m.Op, Seq: m.Seq}
	if utf8.Valid(m.Body) {
		s := string(m.Body)
		e.Body = &s
		return p.print(e, "%6d  %s", m.Op, printable(s))
	}
	e.Base64 = m.Body
	return p.print(e, "%6d  %d bytes: %.64x", m.Op, len(m.Body), m.Body)
}

func (p *printer) connected(room, addr string) {
	p.mu.Lock()
	p.people = -1
	p.mu.Unlock()
	p.print(event{Event: "connected", Room: room, Addr: addr}, "-- in %s at %s", room, addr)
}

// online prints a count that has changed.
func (p *printer) online(n int) {
	p.mu.Lock()
	same := p.people == n
	p.people = n
	p.mu.Unlock()
	if !same {
		p.print(event{Event: "online", Online: &n}, "-- %d online", n)
	}
}

func (p *printer) lost(err error, wait time.Duration) {
	e := event{Event: "lost", Reason: err.Error()}
	var d *client.DisconnectError
	if errors.As(err, &d) {
		e.Code, e.Reason = d.Code, d.Reason
	}
	if wait < 0 {
		p.print(e, "-- %s; not coming back", printable(err.Error()))
		return
	}
	ms := wait.Milliseconds()
	e.Retry = &ms
	p.print(e, "-- %s; again in %v", printable(err.Error()), wait.Round(time.Millisecond))
}

// printable keeps others' text from playing tricks with the terminal: what is
// no printable character, such as ESC or a change of direction, becomes �.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
