package parts

import (
	"crypto/tls"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/deploy/ops/certs"
	opsrpc "github.com/oortim/oort/deploy/ops/rpc"
)

// GRPCFlags say how the parts know one another. All of a cluster have the same
// authority, and mutual TLS is the only way in which gRPC is authenticated.
type GRPCFlags struct {
	GRPCCert       string `name:"grpc-cert" placeholder:"FILE" help:"Certificate (PEM) of this process, shown to the parts that it calls and that call it. Renewed files are taken without a restart."`
	GRPCKey        string `name:"grpc-key" placeholder:"FILE" help:"Its key."`
	GRPCCA         string `name:"grpc-ca" placeholder:"FILE" help:"Authority (PEM) of the parts' certificates. Who calls without one of its certificates is refused."`
	GRPCServerName string `name:"grpc-server-name" placeholder:"NAME" help:"Name that the parts' certificates bear. Default: the host or address that is dialled."`
}

// GRPCListenFlags are those of a process that is called too.
type GRPCListenFlags struct {
	GRPCFlags
	GRPCPeers      []string `name:"grpc-peers" placeholder:"NAME" help:"Names, one of which a caller's certificate must bear; default: any that --grpc-ca has signed."`
	GRPCOpenPublic bool     `name:"grpc-open-public" help:"Let --grpc listen beyond loopback although callers need no certificate: whoever reaches it commands this process."`
}

// ways are how a process calls and is called by gRPC; plaintext where nil.
type ways struct {
	in, out credentials.TransportCredentials
}

// ways opens what a process without a listener needs.
func (f *GRPCFlags) ways(to telling) (ways, error) { return f.present(nil, to) }

// ways opens what a process needs that listens at addr, and refuses to let
// strangers in.
func (f *GRPCListenFlags) ways(addr string, to telling) (ways, error) {
	if err := checkAddrs("grpc", addr); err != nil {
		return ways{}, err
	}
	switch mutual := f.GRPCCert != "" && f.GRPCCA != ""; {
	case !loopback(addr) && !mutual && !f.GRPCOpenPublic:
		return ways{}, ops.Usagef("--grpc: %q is not loopback, so whoever reaches it could push or log anybody in; set --grpc-cert, --grpc-key and --grpc-ca, or --grpc-open-public", addr)
	case f.GRPCCert == "" && f.GRPCCA != "":
		return ways{}, ops.Usagef("--grpc-ca: who listens needs --grpc-cert and --grpc-key too")
	case len(f.GRPCPeers) > 0 && !mutual:
		return ways{}, ops.Usagef("--grpc-peers: callers show certificates only with --grpc-cert, --grpc-key and --grpc-ca")
	}
	w, err := f.present(f.GRPCPeers, to)
	if f.GRPCCert == "" {
		w.in = nil
	}
	return w, err
}

// present reads the files that the flags name.
func (f *GRPCFlags) present(peers []string, to telling) (w ways, err error) {
	if f.GRPCCert == "" && f.GRPCKey == "" && f.GRPCCA == "" {
		if f.GRPCServerName != "" {
			return w, ops.Usagef("--grpc-server-name: needs --grpc-ca or --grpc-cert")
		}
		return w, nil
	}
	c, err := certs.Open(certs.Config{
		Cert: f.GRPCCert, Key: f.GRPCKey, CA: f.GRPCCA, ServerName: f.GRPCServerName, Peers: peers,
		Protocols: opsrpc.Protocols(), MinVersion: tls.VersionTLS13, Log: to.log, Metrics: to.metrics, Use: "grpc",
	})
	if err != nil {
		return w, ops.Usagef("--grpc-cert, --grpc-key, --grpc-ca: %w", err)
	}
	return ways{in: opsrpc.ServerTLS(c, to.log), out: opsrpc.ClientTLS(c, to.log)}, nil
}

// dial makes a client of the servers at addrs.
func (w ways) dial(addrs ...string) (*grpc.ClientConn, error) {
	return opsrpc.Dial(addrs, opsrpc.DialConfig{Credentials: w.out})
}

// dialComet is the way of jobs and of logic to a comet.
func (w ways) dialComet(_, addr string) (grpc.ClientConnInterface, io.Closer, error) {
	cc, err := w.dial(addr)
	return cc, cc, err
}
