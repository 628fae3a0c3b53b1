//go:build linux && !portable

package mapped

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Kernel versions: memfd_create and seals 3.17, MFD_NOEXEC_SEAL 6.3,
// fallocate 2.6.23, FALLOC_FL_PUNCH_HOLE 2.6.38.

func anonymous(name string, size int64) (*os.File, error) {
	// A system that forbids executable memfds (vm.memfd_noexec=2) wants to hear
	// NOEXEC_SEAL; an older kernel does not know it.
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return unlinked(name, size) // filtered by a sandbox
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "memfd:"+name)
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	// SEAL_SEAL keeps a process that got the file from adding seals against
	// growing or writing.
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	return f, nil
}

func reserve(f *os.File, off, size int64) error {
	err := control(f, func(fd int) error {
		return os.NewSyscallError("fallocate", unix.Fallocate(fd, 0, off, size))
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return writeZeros(f, off, size)
	}
	return err
}

func forget(b []byte) {
	_ = unix.Madvise(b, unix.MADV_DONTNEED) // a hint is all that is lost
}

func discard(f *os.File, off, size int64) error {
	err := control(f, func(fd int) error {
		const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
		return os.NewSyscallError("fallocate", unix.Fallocate(fd, mode, off, size))
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil // a hint is all that is lost
	}
	return err
}
