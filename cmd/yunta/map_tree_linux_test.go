//go:build linux && !portable

package main

// wholeTree says that a job's processes are found wherever they have gone.
const wholeTree = true
