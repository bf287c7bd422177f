//go:build darwin || freebsd

package raw

import (
	"errors"
	"fmt"
)

// check refuses every option.
func (how Options) check() error {
	if how == (Options{}) {
		return nil
	}
	return fmt.Errorf("poller: %s%s: %w", engineName, how, errors.ErrUnsupported)
}

// startPrivate is never reached, as check refuses.
func (e *engine) startPrivate() error { return errors.ErrUnsupported }
