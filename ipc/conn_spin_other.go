//go:build !linux || portable

package ipc

import "runtime"

// giveWay lets another goroutine run.
func giveWay() { runtime.Gosched() }
