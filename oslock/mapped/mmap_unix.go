//go:build unix

package mapped

import (
	"os"

	"golang.org/x/sys/unix"
)

func mmap(f *os.File, off int64, size int, writable bool) ([]byte, error) {
	prot := unix.PROT_READ
	if writable {
		prot |= unix.PROT_WRITE
	}
	var data []byte
	err := control(f, func(fd int) (err error) {
		data, err = unix.Mmap(fd, off, size, prot, unix.MAP_SHARED)
		return os.NewSyscallError("mmap", err)
	})
	return data, err
}

func munmap(data []byte) error {
	return os.NewSyscallError("munmap", unix.Munmap(data))
}

func msync(data []byte) error {
	for {
		if err := unix.Msync(data, unix.MS_SYNC); !isEINTR(err) {
			return os.NewSyscallError("msync", err)
		}
	}
}

// control lends f's descriptor to call, again after EINTR. Unlike f.Fd it
// leaves a non-blocking file as it is, and keeps the file from being closed
// under the call.
func control(f *os.File, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = raw.Control(func(fd uintptr) {
		for {
			callErr = call(int(fd))
			if !isEINTR(callErr) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return callErr
}
