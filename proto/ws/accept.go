package ws

import (
	"crypto/sha1"
	"encoding/base64"
)

// guid is what a server hashes with the client's key, to show that it speaks
// WebSocket and did not merely echo (RFC 6455 1.3).
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// AppendAccept appends the response that completes the upgrade (RFC 6455
// 4.2.2). From then on both sides send frames.
func AppendAccept(dst []byte, r *Request) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = AppendAcceptKey(dst, r.Key)
	if r.Protocol != "" {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, r.Protocol...)
	}
	return append(dst, "\r\n\r\n"...)
}

// AppendAcceptKey appends the answer to the challenge key: what a server
// sends, and a client compares, as Sec-WebSocket-Accept.
func AppendAcceptKey(dst []byte, key string) []byte {
	var buf [keyText + len(guid)]byte
	sum := sha1.Sum(append(append(buf[:0], key...), guid...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}
