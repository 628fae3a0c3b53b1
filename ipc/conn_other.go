//go:build !linux || portable

package ipc

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// connSys has nothing here that it could reuse.
type connSys struct {
	oob []byte
}

func newSocketPair() (a, b int, err error) {
	// See newPipe for the lock.
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, 0, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		growSocket(fd)
	}
	return fds[0], fds[1], nil
}

// read reads at most len(p) bytes without waiting, and takes descriptors that
// came with the last of them.
func (s *connSys) read(fd int, kind connKind, p []byte) (n int, got []int, err error) {
	if kind == kindUnix {
		return s.readRights(fd, p)
	}
	err = retry(func() (err error) {
		if kind == kindPipe {
			n, err = unix.Read(fd, p)
		} else {
			n, _, err = unix.Recvfrom(fd, p, unix.MSG_DONTWAIT)
		}
		return err
	})
	return max(n, 0), nil, connError("read", err)
}

func (s *connSys) readRights(fd int, p []byte) (n int, got []int, err error) {
	if s.oob == nil {
		s.oob = make([]byte, unix.CmsgSpace(4*maxRights))
	}
	// Without MSG_CMSG_CLOEXEC a program started before the descriptors are
	// marked would inherit them.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	control := 0
	err = retry(func() (err error) {
		n, control, _, _, err = unix.Recvmsg(fd, p, s.oob, unix.MSG_DONTWAIT)
		return err
	})
	if err == nil && control > 0 {
		got = parseRights(s.oob[:control])
		for _, fd := range got {
			unix.CloseOnExec(fd)
		}
	}
	return max(n, 0), got, connError("recvmsg", err)
}

// write writes a and b, or as much as there is room for, without waiting.
func (s *connSys) write(fd int, kind connKind, a, b []byte) (n int, err error) {
	err = retry(func() (err error) {
		switch {
		case kind == kindPipe:
			n, err = unix.Write(fd, a)
		case len(b) == 0:
			n, err = unix.SendmsgN(fd, a, nil, nil, unix.MSG_DONTWAIT)
		default:
			n, err = unix.SendmsgBuffers(fd, [][]byte{a, b}, nil, nil, unix.MSG_DONTWAIT)
		}
		return err
	})
	return max(n, 0), connError("write", err)
}

// writeRights sends one byte with descriptors.
func (s *connSys) writeRights(fd int, mark byte, files ...int) error {
	err := retry(func() error {
		return unix.Sendmsg(fd, []byte{mark}, unix.UnixRights(files...), nil, unix.MSG_DONTWAIT)
	})
	return connError("sendmsg", err)
}

func connError(call string, err error) error {
	if err == nil || errors.Is(err, unix.EAGAIN) {
		return err
	}
	return os.NewSyscallError(call, err)
}

// untouched says whether a descriptor of this kind is never waited for in a
// system call, whatever its mode. A pipe is: it is left in non-blocking mode.
func untouched(kind connKind) bool { return kind != kindPipe }
