// Package webhook asks services of the operator by HTTP: one POST of JSON, a
// bounded number at a time, each with a deadline and a bounded answer.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Config of a Client.
type Config struct {
	// URL to post to, http or https.
	URL string
	// Timeout bounds one call, with the time that it waits for its turn. Zero
	// means 2 s.
	Timeout time.Duration
	// Concurrent is how many calls are under way at once. Zero means 64.
	Concurrent int
	// Reply is the largest answer, in bytes. Zero means 64 KiB.
	Reply int64
}

// ErrReply: the service answered with something that is no answer.
var ErrReply = errors.New("webhook: bad reply")

// Client posts to one URL. Its methods may be called concurrently.
type Client struct {
	cfg   Config
	http  *http.Client
	slots chan struct{}
}

// New checks cfg; it connects to nothing.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("webhook: the URL is not http(s)://host/path")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 64
	}
	if cfg.Reply == 0 {
		cfg.Reply = 64 << 10
	}
	return &Client{
		cfg:   cfg,
		slots: make(chan struct{}, cfg.Concurrent),
		http: &http.Client{
			Transport: &http.Transport{
				MaxIdleConnsPerHost: cfg.Concurrent, MaxConnsPerHost: cfg.Concurrent,
				IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
				MaxResponseHeaderBytes: 16 << 10,
			},
			// A redirect would carry credentials to somewhere nobody configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Post sends body, which is JSON, and returns the status and the answer. The
// error contains neither the URL, which may hold a secret, nor the body.
func (c *Client) Post(ctx context.Context, body []byte) (status int, reply []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("webhook: %d calls under way: %w", c.cfg.Concurrent, ctx.Err())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("webhook: bad request")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("webhook: %w", bare(err))
	}
	defer resp.Body.Close()
	reply, err = io.ReadAll(io.LimitReader(resp.Body, c.cfg.Reply+1))
	if err != nil {
		return 0, nil, fmt.Errorf("webhook: %w", bare(err))
	}
	if int64(len(reply)) > c.cfg.Reply {
		return 0, nil, fmt.Errorf("%w: over %d bytes", ErrReply, c.cfg.Reply)
	}
	return resp.StatusCode, reply, nil
}

// Close frees idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// bare takes the URL out of an error of net/http.
func bare(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}
