// Package load does the work that yunta compare compares: the same entries in a pool of processes and in one of goroutines, and the
// same algorithms in a script for Python's multiprocessing.
//
// Every run has a program of its own, the host, so that no run finds the heap, the page cache of a pool or the crash of another: the
// comparing process starts it with a [Spec] on standard input, confined to as many cores as there are workers, and gets a
// [compare.Run] back. In the process model the host's workers are children as of any other program.
package load
