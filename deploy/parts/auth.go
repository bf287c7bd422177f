package parts

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/logic/webhook"
)

// AuthFlags say who is let in, and who takes what clients say.
type AuthFlags struct {
	Auth           string        `default:"open" enum:"open,jwt,callback" help:"Who is let in: ${enum}. open trusts what clients say of themselves; jwt checks a signed token; callback asks --auth-url."`
	AuthOpenPublic bool          `help:"Let --auth open listen beyond loopback."`
	AuthURL        string        `name:"auth-url" placeholder:"URL" secret:"" help:"Service that --auth callback asks."`
	AuthFailures   int           `default:"20" help:"Refusals of one address in 10 min after which its attempts are delayed, and at twice as many refused; -1: never."`
	JWTKey         string        `name:"jwt-key" placeholder:"FILE" help:"Public key (PEM), or the secret of HS256…, for --auth jwt."`
	JWKS           string        `name:"jwks" placeholder:"FILE|URL" secret:"" help:"JSON Web Key Set of a login service that changes its keys, in place of --jwt-key: a file or an https URL."`
	JWKSRefresh    time.Duration `name:"jwks-refresh" default:"0s" help:"How often it is read; 0: every 5 min, a file every 5 s. A key that is not known has it read at once."`
	JWTAlg         []string      `name:"jwt-alg" placeholder:"ALG" help:"Algorithms that a token may be signed with, of the key's kind (with --jwks, of several): HS256, RS256, PS256, ES256, EdDSA, …"`
	JWTAudience    string        `name:"jwt-audience" help:"Audience that a token must name."`
	JWTIssuer      string        `name:"jwt-issuer" help:"Issuer that a token must name."`
	ReceiveURL     string        `name:"receive-url" placeholder:"URL" secret:"" help:"Service that gets clients' messages (op 4) and answers them; default: they are counted."`
}

// open reports whether strangers are trusted and nobody said that this is
// meant.
func (f *AuthFlags) open() bool { return f.Auth == "open" && !f.AuthOpenPublic }

// door is what stands between clients and logic.
type door struct {
	auth     logic.Authenticator
	receiver logic.Receiver
}

func (b *base) openAuth(f *AuthFlags) (d door, err error) {
	inner, err := b.authenticator(f)
	if err != nil {
		return d, err
	}
	if d.auth, err = auth.NewGuard(inner, auth.GuardConfig{Failures: f.AuthFailures, Metrics: b.admin.Registry()}); err != nil {
		return d, err
	}
	if f.ReceiveURL != "" {
		client, err := webhook.New(webhook.Config{URL: f.ReceiveURL})
		if err != nil {
			return d, ops.Usagef("--receive-url: %v", err)
		}
		d.receiver = webhook.NewReceiver(client)
	}
	return d, nil
}

func (b *base) authenticator(f *AuthFlags) (logic.Authenticator, error) {
	switch f.Auth {
	case "jwt":
		return b.openJWT(f)
	case "callback":
		client, err := webhook.New(webhook.Config{URL: f.AuthURL})
		if err != nil {
			return nil, ops.Usagef("--auth-url: %v", err)
		}
		return auth.NewCallback(client), nil
	}
	return auth.Open{}, nil
}

func (b *base) openJWT(f *AuthFlags) (logic.Authenticator, error) {
	cfg := auth.JWTConfig{Algorithms: f.JWTAlg, Audience: f.JWTAudience, Issuer: f.JWTIssuer}
	var err error
	switch {
	case len(f.JWTAlg) == 0 || (f.JWTKey == "") == (f.JWKS == ""):
		return nil, ops.Usagef("--auth jwt needs --jwt-alg, and --jwt-key or --jwks")
	case f.JWKS != "":
		if cfg.Keys, err = b.openJWKS(f); err != nil {
			return nil, fmt.Errorf("--jwks: %w", err)
		}
	default:
		if cfg.Key, err = os.ReadFile(f.JWTKey); err != nil {
			return nil, fmt.Errorf("--jwt-key: %w", err)
		}
	}
	j, err := auth.NewJWT(cfg)
	if err != nil {
		return nil, fmt.Errorf("--jwt-key %s: %w", f.JWTKey, err)
	}
	return j, nil
}

func (b *base) openJWKS(f *AuthFlags) (*auth.JWKS, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	keys, err := auth.OpenJWKS(ctx, auth.JWKSConfig{
		Source: f.JWKS, Algorithms: f.JWTAlg, Refresh: f.JWKSRefresh, Log: b.log, Metrics: b.admin.Registry(),
	})
	if err != nil {
		return nil, err
	}
	b.opened.add("jwks", func(context.Context) error { keys.Close(); return nil })
	return keys, nil
}
