package auth

import "github.com/bytedance/sonic"

// codec copies strings: a key that pointed into the body of its frame would
// keep all of it alive as long as the session.
var codec = sonic.Config{CopyString: true, ValidateString: true}.Froze()
