package oslock

// bootName tells this run of the kernel from every other (Linux 2.3.16, random(4)); "" when it is
// not to be had.
func bootName() string {
	text, err := readSmall("/proc/sys/kernel/random/boot_id", 64)
	if err != nil {
		return ""
	}
	return text
}
