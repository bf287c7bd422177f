//go:build linux

package gnet

import "github.com/panjf2000/gnet/v2/pkg/pool/goroutine"

// gnet starts a pool of workers as soon as it is imported, whose two
// goroutines wake twice a second for ever. Programs import this package
// whether they use it or not, and no call that it makes needs a worker. This is
// the only init in oort: whatever is called instead, a program that never opens
// this engine would have to call it as well, and so would every test that looks
// for goroutines that were left.
func init() { goroutine.DefaultWorkerPool.Release() }

// silence is a logger for gnet, which otherwise writes to the standard output.
// What it has to say reaches the server as the reason of an OnClose.
type silence struct{}

func (silence) Debugf(string, ...any) {}
func (silence) Infof(string, ...any)  {}
func (silence) Warnf(string, ...any)  {}
func (silence) Errorf(string, ...any) {}
func (silence) Fatalf(string, ...any) {}
