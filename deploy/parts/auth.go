package parts

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/comet/door"
	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/logic/webhook"
	"github.com/oortim/oort/proto/token"
)

// AuthFlags say who is let in, and who takes what clients say.
type AuthFlags struct {
	Auth           string `default:"open" enum:"open,jwt,callback" help:"Who is let in: ${enum}. open trusts what clients say of themselves; jwt checks a signed token; callback asks --auth-url."`
	AuthOpenPublic bool   `help:"Let --auth open listen beyond loopback."`
	AuthURL        string `name:"auth-url" placeholder:"URL" secret:"" help:"Service that --auth callback asks."`
	AuthFailures   int    `default:"20" help:"Refusals of one address in 10 min after which its attempts are delayed, and at twice as many refused; -1: never."`
	TokenFlags
	ReceiveURL string `name:"receive-url" placeholder:"URL" secret:"" help:"Service that gets clients' messages (op 4) and answers them; default: they are counted."`
}

// TokenFlags say which tokens are good; logic and comets have them alike.
type TokenFlags struct {
	JWTKey      string        `name:"jwt-key" placeholder:"FILE" help:"Public key (PEM), or the secret of HS256…, that tokens are signed with."`
	JWKS        string        `name:"jwks" placeholder:"FILE|URL" secret:"" help:"JSON Web Key Set of a login service that changes its keys, in place of --jwt-key: a file or an https URL."`
	JWKSRefresh time.Duration `name:"jwks-refresh" default:"0s" help:"How often it is read; 0: every 5 min, a file every 5 s. A key that is not known has it read at once."`
	JWTAlg      []string      `name:"jwt-alg" placeholder:"ALG" help:"Algorithms that a token may be signed with, of the key's kind (with --jwks, of several): HS256, RS256, PS256, ES256, EdDSA, …"`
	JWTAudience string        `name:"jwt-audience" help:"Audience that a token must name."`
	JWTIssuer   string        `name:"jwt-issuer" help:"Issuer that a token must name."`
}

// DoorFlags have a comet check tokens itself.
type DoorFlags struct {
	TokenFlags
	AuthFailures int `default:"20" help:"Refusals of one address in 10 min after which its attempts are delayed, and at twice as many refused; -1: never. Only of tokens that this comet checks."`
}

// open reports whether strangers are trusted and nobody said that this is
// meant.
func (f *AuthFlags) open() bool { return f.Auth == "open" && !f.AuthOpenPublic }

// entrance is what stands between clients and logic.
type entrance struct {
	auth     logic.Authenticator
	receiver logic.Receiver
}

func (b *base) openAuth(ctx context.Context, f *AuthFlags) (d entrance, err error) {
	inner, err := b.authenticator(ctx, f)
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

func (b *base) authenticator(ctx context.Context, f *AuthFlags) (logic.Authenticator, error) {
	switch f.Auth {
	case "jwt":
		v, err := b.verifier(ctx, &f.TokenFlags, "logic")
		if err != nil {
			return nil, err
		}
		return auth.NewJWT(v), nil
	case "callback":
		client, err := webhook.New(webhook.Config{URL: f.AuthURL})
		if err != nil {
			return nil, ops.Usagef("--auth-url: %v", err)
		}
		return auth.NewCallback(client), nil
	}
	return auth.Open{}, nil
}

// verifier checks tokens as flags say. part is who asks for it, for metrics.
func (b *base) verifier(ctx context.Context, f *TokenFlags, part string) (*token.Verifier, error) {
	cfg := token.Config{Algorithms: f.JWTAlg, Audience: f.JWTAudience, Issuer: f.JWTIssuer}
	var err error
	switch {
	case len(f.JWTAlg) == 0 || (f.JWTKey == "") == (f.JWKS == ""):
		return nil, ops.Usagef("checking tokens needs --jwt-alg, and --jwt-key or --jwks")
	case f.JWKS != "":
		if cfg.Keys, err = b.openJWKS(ctx, f, part); err != nil {
			return nil, fmt.Errorf("--jwks: %w", err)
		}
	default:
		if cfg.Key, err = os.ReadFile(f.JWTKey); err != nil {
			return nil, fmt.Errorf("--jwt-key: %w", err)
		}
	}
	v, err := token.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("--jwt-key %s: %w", f.JWTKey, err)
	}
	return v, nil
}

func (b *base) openJWKS(ctx context.Context, f *TokenFlags, part string) (keys *token.JWKS, err error) {
	err = b.reach(ctx, "jwks", func(ctx context.Context) error {
		keys, err = token.OpenJWKS(ctx, token.JWKSConfig{
			Source: f.JWKS, Algorithms: f.JWTAlg, Refresh: f.JWKSRefresh, Log: b.log, Metrics: b.admin.Registry(), Part: part,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	b.opened.add("jwks", func(context.Context) error { keys.Close(); return nil })
	return keys, nil
}

// openDoor opens a comet's own check of tokens; nil if no flag asks for one.
func (b *base) openDoor(ctx context.Context, f *DoorFlags) (comet.Door, error) {
	if f.JWTKey+f.JWKS == "" {
		if len(f.JWTAlg) > 0 || f.JWTAudience+f.JWTIssuer != "" {
			return nil, ops.Usagef("--jwt-alg, --jwt-audience and --jwt-issuer are of no use without --jwt-key or --jwks")
		}
		return nil, nil
	}
	v, err := b.verifier(ctx, &f.TokenFlags, "comet")
	if err != nil {
		return nil, err
	}
	return door.New(v, door.Config{Failures: f.AuthFailures, Log: b.log, Metrics: b.admin.Registry()})
}
