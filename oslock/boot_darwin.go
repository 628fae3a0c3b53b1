package oslock

import "golang.org/x/sys/unix"

// bootName tells this run of the kernel from every other; "" when it is not to be had.
func bootName() string {
	name, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return name
}
