//go:build !linux && !darwin

package oslock

// bootName tells this run of the kernel from every other; "" where no way is known. Then only the
// random identity of a registry in the run directory, which lies in a place emptied at boot, does.
func bootName() string { return "" }
