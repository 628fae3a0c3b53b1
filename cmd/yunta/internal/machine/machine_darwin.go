package machine

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// load reads struct loadavg of <sys/resource.h>: three fixed-point numbers and, 8-aligned, their scale.
func load() (float64, error) {
	b, err := unix.SysctlRaw("vm.loadavg")
	if err != nil {
		return 0, err
	}
	if len(b) < 24 {
		return 0, errors.New("vm.loadavg is too short")
	}
	scale := binary.NativeEndian.Uint64(b[16:])
	if scale == 0 {
		return 0, errors.New("vm.loadavg has no scale")
	}
	return float64(binary.NativeEndian.Uint32(b)) / float64(scale), nil
}

func free() (int64, error) {
	pages, err := unix.SysctlUint32("vm.page_free_count")
	if err != nil {
		return 0, err
	}
	return int64(pages) * int64(unix.Getpagesize()), nil
}
