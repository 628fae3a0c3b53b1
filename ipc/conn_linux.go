//go:build linux && !portable

package ipc

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernel versions: SOCK_CLOEXEC 2.6.27, MSG_CMSG_CLOEXEC 2.6.23, preadv2 with
// RWF_NOWAIT 4.14, on pipes 6.4.

// connSys is what the system calls of one direction need; it is part of a Conn
// so that none of them allocates.
type connSys struct {
	msg unix.Msghdr
	iov [2]unix.Iovec
	oob []byte
	old bool // a pipe of a kernel that knows no RWF_NOWAIT there
}

func newSocketPair() (a, b int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
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
	s.iov[0].Base = unsafe.SliceData(p)
	s.iov[0].SetLen(len(p))
	switch kind {
	case kindPipe:
		n, err = s.vector(unix.SYS_PREADV2, fd, 1)
	case kindSocket:
		n, err = s.transfer(unix.SYS_RECVFROM, fd, unix.MSG_DONTWAIT)
	default:
		if s.oob == nil {
			s.oob = make([]byte, unix.CmsgSpace(4*maxRights))
		}
		s.msg = unix.Msghdr{Iov: &s.iov[0], Control: &s.oob[0]}
		s.msg.SetIovlen(1)
		s.msg.SetControllen(len(s.oob))
		n, err = s.message(unix.SYS_RECVMSG, fd, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err == nil && s.msg.Controllen > 0 {
			got = parseRights(s.oob[:s.msg.Controllen])
		}
	}
	s.iov[0].Base = nil
	return n, got, err
}

// write writes a and b, or as much as there is room for, without waiting.
func (s *connSys) write(fd int, kind connKind, a, b []byte) (n int, err error) {
	pieces := 1
	s.iov[0].Base = unsafe.SliceData(a)
	s.iov[0].SetLen(len(a))
	if len(b) > 0 {
		pieces = 2
		s.iov[1].Base = unsafe.SliceData(b)
		s.iov[1].SetLen(len(b))
	}
	switch {
	case kind == kindPipe:
		n, err = s.vector(unix.SYS_PWRITEV2, fd, pieces)
	case pieces == 1:
		n, err = s.transfer(unix.SYS_SENDTO, fd, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	default:
		s.msg = unix.Msghdr{Iov: &s.iov[0]}
		s.msg.SetIovlen(pieces)
		n, err = s.message(unix.SYS_SENDMSG, fd, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	s.iov[0].Base, s.iov[1].Base = nil, nil
	return n, err
}

// writeRights sends one byte with descriptors.
func (s *connSys) writeRights(fd int, mark byte, files ...int) error {
	err := retry(func() error {
		return unix.Sendmsg(fd, []byte{mark}, unix.UnixRights(files...), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	return os.NewSyscallError("sendmsg", err)
}

// The memory that s.iov and s.msg name is kept alive by them: they hold
// pointers, not numbers.

func (s *connSys) vector(call uintptr, fd, pieces int) (int, error) {
	const current = ^uintptr(0) // the position: a pipe has none
	name := "preadv2"
	if call == unix.SYS_PWRITEV2 {
		name = "pwritev2"
	}
	for {
		var flags uintptr = unix.RWF_NOWAIT
		if s.old {
			flags = 0
		}
		n, _, errno := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&s.iov)), uintptr(pieces), current, current, flags)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EOPNOTSUPP && !s.old:
			if err := unix.SetNonblock(fd, true); err != nil {
				return 0, os.NewSyscallError("fcntl F_SETFL", err)
			}
			s.old = true
		default:
			return outcome(name, n, errno)
		}
	}
}

func (s *connSys) transfer(call uintptr, fd int, flags uintptr) (int, error) {
	name := "recvfrom"
	if call == unix.SYS_SENDTO {
		name = "sendto"
	}
	for {
		n, _, errno := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(s.iov[0].Base)), uintptr(s.iov[0].Len), flags, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		return outcome(name, n, errno)
	}
}

func (s *connSys) message(call uintptr, fd int, flags uintptr) (int, error) {
	name := "recvmsg"
	if call == unix.SYS_SENDMSG {
		name = "sendmsg"
	}
	for {
		n, _, errno := unix.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(&s.msg)), flags)
		if errno == unix.EINTR {
			continue
		}
		return outcome(name, n, errno)
	}
}

func outcome(name string, n uintptr, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN:
		return 0, unix.EAGAIN // the commonest: not wrapped
	}
	return 0, os.NewSyscallError(name, errno)
}

// untouched says whether a descriptor of this kind is never waited for in a
// system call, whatever its mode.
func untouched(connKind) bool { return true }
