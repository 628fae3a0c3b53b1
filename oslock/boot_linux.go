package oslock

import "golang.org/x/sys/unix"

// bootName tells this run of the kernel from every other (Linux 2.3.16, random(4)); "" when it is
// not to be had.
func bootName() string {
	text, err := readSmall("/proc/sys/kernel/random/boot_id", 64)
	if err != nil {
		return ""
	}
	return text
}

// readSmall returns the content of a file of at most size bytes. Unlike os.ReadFile it does not
// wake the runtime's poller.
func readSmall(path string, size int) (string, error) {
	fd, err := openToTest(unix.AT_FDCWD, path)
	if err != nil {
		return "", err
	}
	defer closeFD(fd)
	b := make([]byte, size)
	n, err := readAt(fd, b, 0)
	return string(b[:n]), err
}
