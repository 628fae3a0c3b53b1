//go:build race

package oslock

import "sync/atomic"

// order tells the race detector what the lock's word does not: the detector knows nothing of mapped
// memory, and would report what a lock protects as unprotected.
type order struct{ word atomic.Uint32 }

func (o *order) acquired() { o.word.Load() }
func (o *order) released() { o.word.Add(1) }
