//go:build unix && (!linux || portable)

package supervisor

import (
	"os"
	"syscall"
)

func executable() (string, error) { return os.Executable() }

// sysProcAttr: a process group of its own. Without a parent-death signal the
// lifeline's end alone tells a child that its parent is dead.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
