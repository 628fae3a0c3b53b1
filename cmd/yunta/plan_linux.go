package main

import (
	"os"
	"strconv"
)

// pathOf returns the path under which a file was opened; proc(5).
func pathOf(f *os.File) (string, error) {
	return os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
}
