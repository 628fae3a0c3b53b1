//go:build !linux || portable

package supervisor_test

// fastPaths says that the package uses what only Linux has; here it does with
// what every system has.
const (
	fastPaths = false
	// hardMemoryLimit says that the kernel keeps the memory limit.
	hardMemoryLimit = false
)
