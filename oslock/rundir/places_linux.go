//go:build linux && !portable

package rundir

// places is where the run directory may lie, best first. /dev/shm is memory, so that locks and
// boards cost no disk; /tmp is for systems without it or with a read-only one.
var places = []string{"/dev/shm", "/tmp"}
