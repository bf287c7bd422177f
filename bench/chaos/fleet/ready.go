package fleet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// tryFor bounds one question whether a part is ready.
const tryFor = time.Second

func dials(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: tryFor}).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err
	}
}

func pingRedis(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		line, err := redis(ctx, addr, "PING")
		if err == nil && line != "+PONG" {
			err = fmt.Errorf("redis at %s says %q", addr, line)
		}
		return err
	}
}

// redis sends one inline command and returns the first line of the answer.
func redis(ctx context.Context, addr, command string) (string, error) {
	conn, err := (&net.Dialer{Timeout: tryFor}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(tryFor)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

// Wipe has Redis forget everything.
func (f *Fleet) Wipe(ctx context.Context) error {
	line, err := redis(ctx, f.RedisAddr(), "FLUSHALL")
	if err == nil && line != "+OK" {
		err = fmt.Errorf("it says %q", line)
	}
	if err != nil {
		return fmt.Errorf("fleet: wipe redis: %w", err)
	}
	return nil
}

func readyz(admin string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, tryFor)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%d: %s", resp.StatusCode, strings.TrimSpace(string(body)))
		}
		return nil
	}
}

// Check reports whether a binary can be run.
func Check(binary string) error {
	info, err := os.Stat(binary)
	if err == nil && info.Mode()&0o111 == 0 {
		err = fmt.Errorf("fleet: %q cannot be executed", binary)
	}
	return err
}
