//go:build linux && !portable

package supervisor_test

// fastPaths says that the package uses what only Linux has.
const (
	fastPaths = true
	// hardMemoryLimit says that the kernel keeps the memory limit.
	hardMemoryLimit = true
)
