//go:build unix

package jobs

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// SignalName returns a signal's name such as SIGKILL.
func SignalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s))
}
