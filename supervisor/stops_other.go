//go:build !linux || portable

package supervisor

import "syscall"

// tellsStops: there is no way to ask that would not take the child's end away
// from who waits for it.
const tellsStops = false

func stoppedBy(int) syscall.Signal { return 0 }

func signalName(sig syscall.Signal) string { return sig.String() }
