package parts

import (
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
)

// AuthFlags say who is let in.
type AuthFlags struct {
	Auth           string `default:"open" enum:"open" help:"Who is let in: ${enum}. open trusts what clients say of themselves."`
	AuthOpenPublic bool   `help:"Let --auth open listen beyond loopback."`
}

// open reports whether strangers are trusted and nobody said that this is
// meant.
func (f *AuthFlags) open() bool { return f.Auth == "open" && !f.AuthOpenPublic }

// door is what stands between clients and logic.
type door struct {
	auth     logic.Authenticator
	receiver logic.Receiver
}

func (b *base) openAuth(f *AuthFlags) (door, error) {
	return door{auth: auth.Open{}}, nil
}
