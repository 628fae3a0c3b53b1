//go:build !race

package supervisor_test

// raceEnabled says that the race detector is on; slowness is what bounds of
// time are multiplied with then.
const (
	raceEnabled = false
	slowness    = 1
)
