//go:build unix

package wire

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Marker returns the value of the marker variable that belongs to the pipe on
// fd, "" if there is no pipe.
func Marker(fd int) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return ""
	}
	return fmt.Sprintf("%d:%x:%x", Version, uint64(st.Dev), uint64(st.Ino)) //nolint:unconvert // they are not the same everywhere
}
