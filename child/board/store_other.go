//go:build !amd64 || race

package board

import "sync/atomic"

// Stores of sync/atomic are seen in the order in which they were made; on arm64 they are nearly free.

func store(w *atomic.Uint64, v uint64) { w.Store(v) }

func openSection(seq *atomic.Uint64, odd uint64) { seq.Store(odd) }

func closeSection(seq *atomic.Uint64, even uint64) { seq.Store(even) }
