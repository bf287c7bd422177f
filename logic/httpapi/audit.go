package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
)

// maxExcerpt is how much of an administrative request's body is in the audit
// log, in bytes: whom it kicked, and why.
const maxExcerpt = 1 << 10

// auditor writes a line for each administrative request of somebody known,
// whether it was served or refused: when, who, from where, what, and how it was
// answered. All of it is in the group "audit", so that it can be told from the
// rest of the log.
type auditor struct{ log *slog.Logger }

// newAuditor writes to where log does, at whatever level: who quiets a log does
// not mean to lose its trail.
func newAuditor(log *slog.Logger) auditor { return auditor{slog.New(always{log.Handler()})} }

// always is a handler that takes every level.
type always struct{ slog.Handler }

// Enabled implements slog.Handler.
func (always) Enabled(context.Context, slog.Level) bool { return true }

// anonymous reports whether nobody known was refused. Such requests are not in
// the audit log, which strangers could fill otherwise; the metrics count them.
func (f *refusal) anonymous() bool { return f != nil && f.status == http.StatusUnauthorized }

// excerpt is a request's body that remembers its beginning.
type excerpt struct {
	io.ReadCloser
	kept []byte
}

// Read implements io.Reader.
func (e *excerpt) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	e.kept = append(e.kept, p[:min(n, maxExcerpt-len(e.kept))]...)
	return n, err
}

// write tells of one request, who made it, and its answer.
func (a auditor) write(r *http.Request, who string, body *excerpt, status string) {
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}
	if who == "" {
		who = "(open)"
	}
	fields := []any{
		slog.String("who", who), slog.String("from", from), slog.String("status", status),
		slog.String("method", r.Method), slog.String("path", r.URL.Path),
	}
	if via := r.Header.Get("X-Forwarded-For"); via != "" { // somebody's word, no more
		fields = append(fields, slog.String("forwarded", via[:min(len(via), maxExcerpt)]))
	}
	if r.URL.RawQuery != "" {
		fields = append(fields, slog.String("query", r.URL.RawQuery[:min(len(r.URL.RawQuery), maxExcerpt)]))
	}
	if len(body.kept) > 0 {
		fields = append(fields, slog.String("body", string(body.kept)))
	}
	a.log.Info("administrative request", slog.Group("audit", fields...))
}
