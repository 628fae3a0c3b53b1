//go:build unix

package ipc

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// inspect says what a descriptor is and which way it goes.
func inspect(fd int) (kind connKind, recv, send bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, false, false, os.NewSyscallError("fstat", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return 0, false, false, os.NewSyscallError("fcntl F_GETFL", err)
		}
		mode := flags & unix.O_ACCMODE
		return kindPipe, mode != unix.O_WRONLY, mode != unix.O_RDONLY, nil
	case unix.S_IFSOCK:
	default:
		return 0, false, false, fmt.Errorf("neither a pipe nor a socket: %w", errors.ErrUnsupported)
	}
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return 0, false, false, os.NewSyscallError("getsockopt SO_TYPE", err)
	}
	if typ != unix.SOCK_STREAM {
		return 0, false, false, fmt.Errorf("not a stream socket: %w", errors.ErrUnsupported)
	}
	// One that listens or is not connected would fail later, with less to say.
	name, err := unix.Getpeername(fd)
	if err != nil {
		return 0, false, false, os.NewSyscallError("getpeername", err)
	}
	if _, ok := name.(*unix.SockaddrUnix); ok {
		return kindUnix, true, true, nil
	}
	return kindSocket, true, true, nil
}

// pollable makes a file of a descriptor that the runtime's poller waits for,
// whatever mode others may put it into.
//
// O_NONBLOCK belongs to what is open and not to the descriptor: a program that
// has a duplicate, such as a Python process that inherited it, would suddenly get
// EAGAIN. So the mode is set for as long as os.NewFile looks at it, and where each
// system call can be told by itself not to block (see connSys), it is put back.
func pollable(fd int, kind connKind, name string) (*os.File, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl F_GETFL", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl F_SETFL", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if flags&unix.O_NONBLOCK == 0 && untouched(kind) {
		if err := unix.SetNonblock(fd, false); err != nil {
			return nil, os.NewSyscallError("fcntl F_SETFL", err)
		}
	}
	return f, nil
}

func dupFD(fd int) (int, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	return dup, nil
}

// dupFile does without f.Fd, which may change the mode of the descriptor.
func dupFile(f syscall.Conn) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	dup := -1
	if raw.Control(func(fd uintptr) { dup, err = dupFD(int(fd)) }) != nil {
		return -1, os.ErrClosed // no other reason is known
	}
	return dup, err
}

func closeFD(fd int) error { return os.NewSyscallError("close", unix.Close(fd)) }
