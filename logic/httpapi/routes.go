package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// handler answers a request whose context has a deadline.
type handler func(w http.ResponseWriter, r *http.Request)

// routes lists every path. A path takes one method, so the method is checked
// here and not by the mux: with a page at / the mux would take a wrong method
// for a request of the page.
func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	add := func(method, path string, h handler) { mux.Handle(path, a.route(method, path, false, h)) }
	push := func(path string, h handler) { add(http.MethodPost, path, a.traced(path, h)) }
	// What clients ask, who hold no key: where to connect.
	open := func(method, path string, h handler) { mux.Handle(path, a.route(method, path, true, h)) }

	push("/goim/push/keys", a.goimPushKeys)
	push("/goim/push/mids", a.goimPushMids)
	push("/goim/push/room", a.goimPushRoom)
	push("/goim/push/all", a.goimPushAll)
	add(http.MethodGet, "/goim/online/top", a.goimOnlineTop)
	add(http.MethodGet, "/goim/online/room", a.goimOnlineRoom)
	add(http.MethodGet, "/goim/online/total", a.goimOnlineTotal)
	open(http.MethodGet, "/goim/nodes/weighted", a.goimNodesWeighted)
	add(http.MethodGet, "/goim/nodes/instances", a.goimNodesInstances)

	push("/v1/push", a.push)
	add("", "/v1/messages/{id}", a.message)
	add(http.MethodPost, "/v1/kick", a.kick)
	add(http.MethodGet, "/v1/sessions", a.sessions)
	add(http.MethodGet, "/v1/rooms/top", a.roomsTop)
	add(http.MethodGet, "/v1/rooms/{room...}", a.room)
	add(http.MethodGet, "/v1/online", a.online)
	open(http.MethodGet, "/v1/nodes", a.nodes)

	mux.Handle("/goim/", a.route("", "/goim/", false, notFound))
	mux.Handle("/v1/", a.route("", "/v1/", false, notFound))
	mux.HandleFunc("/healthz", healthz)
	if a.opt.Page != nil {
		mux.Handle("/", a.opt.Page)
	} else {
		mux.HandleFunc("/", notFound)
	}
	return mux
}

// route is what every path has around its handler. An open one asks for no key.
func (a *api) route(method, path string, open bool, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		var trail *excerpt // of an administrative request
		var who string
		defer func() {
			if p := recover(); p != nil {
				a.panicked(rec, path, p)
			}
			if trail != nil {
				a.audit.write(r, who, trail, rec.code())
			}
			a.metrics.served(path, rec.code(), time.Since(began))
		}()
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		var no *refusal
		who, no = a.admit(r, method, open)
		if scopeOf(r) == scopeAdmin && !no.anonymous() {
			trail = &excerpt{ReadCloser: r.Body}
			r.Body = trail
		}
		if no != nil {
			no.write(rec)
			return
		}
		defer func() { <-a.slots }()
		ctx, cancel := context.WithTimeout(r.Context(), a.opt.Timeout)
		defer cancel()
		h(rec, r.WithContext(ctx))
	})
}

// admit decides whether a request is served at all, and says who makes it. If
// it is served, a slot is taken.
func (a *api) admit(r *http.Request, method string, open bool) (who string, no *refusal) {
	if who, no = a.guard.check(r, open); no != nil {
		return who, no
	}
	if method != "" && r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead) {
		return who, &refusal{status: http.StatusMethodNotAllowed, reason: "method", message: "use " + method, allow: method}
	}
	select {
	case a.slots <- struct{}{}:
		return who, nil
	default:
		return who, &refusal{status: http.StatusServiceUnavailable, reason: "overloaded", message: "too many requests at once", retry: time.Second}
	}
}

// panicked answers for a handler that panicked, and goes on.
func (a *api) panicked(w *recorder, path string, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	a.metrics.panics.Inc()
	a.opt.Log.Error("httpapi: panic", "path", path, "panic", p)
	if w.status == 0 {
		(&refusal{status: http.StatusInternalServerError, reason: "internal", message: "a defect of the server"}).write(w)
	}
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	(&refusal{status: http.StatusNotFound, reason: "not_found", message: "no such path"}).write(w)
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// recorder remembers the status for the metrics.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() string {
	if r.status == 0 {
		return "200"
	}
	return strconv.Itoa(r.status)
}
