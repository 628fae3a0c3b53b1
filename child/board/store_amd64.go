//go:build amd64 && !race

package board

import (
	"sync/atomic"
	"unsafe"
)

// A store of sync/atomic waits here until all other CPUs know of it (XCHG, 5 ns). A sequence lock needs less: that the
// stores are seen in the order in which they were made, and that is how every store of this processor is seen
// (Intel SDM volume 3, 9.2.2: "writes to memory are not reordered with other writes"; the AMD manual says the
// same). The compiler keeps the order of stores too, but would leave out one of two to the same word; the calls of
// openSection and closeSection, which are not inlined, prevent that. Readers use atomic loads, which are plain
// loads here.

func store(w *atomic.Uint64, v uint64) {
	// An atomic.Uint64 is nothing but an aligned 64-bit word, and a plain store to one is never torn.
	*(*uint64)(unsafe.Pointer(w)) = v
}

//go:noinline
func openSection(seq *atomic.Uint64, odd uint64) { store(seq, odd) }

//go:noinline
func closeSection(seq *atomic.Uint64, even uint64) { store(seq, even) }
