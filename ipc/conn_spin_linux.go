//go:build linux && !portable

package ipc

import "golang.org/x/sys/unix"

// giveWay lets another thread of the machine run, if one wants to: often the very one that is to answer. (Without, two
// processes that look keep each other from the processor on a busy machine, and a round trip takes milliseconds.)
func giveWay() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) } // sched_yield(2): on Linux it always succeeds
