//go:build !linux || portable

package oslock

// holdFlock keeps the flock of fd for the life of the process: as long as nobody closes fd.
func holdFlock(int) error { return nil }
