//go:build unix && !darwin

package supervisor

// rssUnit is the unit of Rusage.Maxrss in bytes (getrusage(2): kilobytes).
const rssUnit = 1024
