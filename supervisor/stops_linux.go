//go:build linux && !portable

package supervisor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tellsStops says that stoppedBy tells something.
const tellsStops = true

// stoppedBy returns the signal that has stopped a child since it was last
// asked, 0 if none. It leaves the end of the child to who waits for that
// (waitid(2), WSTOPPED alone).
func stoppedBy(pid int) syscall.Signal {
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil); err != nil || info.Signo == 0 {
		return 0
	}
	// After signo, errno and code: pid, uid, status, at the next multiple of a word.
	const words = 3*4 + (unsafe.Sizeof(uintptr(0)) - 4)
	return syscall.Signal(*(*int32)(unsafe.Add(unsafe.Pointer(&info), words+8)))
}

func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return sig.String()
}
