//go:build unix

package child

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"yunta/child/wire"
)

// closeStrays closes what this process inherited beside what it was meant
// to: files that the supervisor's program had itself been started with, or had
// opened without close-on-exec. A child would keep pipes and sockets open that
// others wait for the end of. What Go has opened since the start has that flag.
func closeStrays() {
	files, err := os.ReadDir("/dev/fd")
	if err != nil {
		return // no such list: they stay, as in any other program
	}
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		if err != nil || fd <= wire.FDResults {
			continue
		}
		closeInherited(fd)
	}
}

// closeInherited closes a descriptor unless it was opened here.
func closeInherited(fd int) {
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
		_ = unix.Close(fd)
	}
}

// hungUp reports whether the other end of a pipe is closed.
func hungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&unix.POLLHUP != 0
}
