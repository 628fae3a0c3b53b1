// Package futex lets goroutines sleep on a 32-bit word that processes share, until
// another process changes the word and says so.
//
// Whoever waits looks at the word, decides that it must wait, and calls
// [Sleeper.Sleep] with the value it saw: the kernel puts it to sleep only if the word
// still holds that value, so a change between looking and sleeping is never
// missed. Whoever changes the word calls [Wake] if somebody sleeps there. How it is known
// that somebody sleeps (usually a bit of the word) is the caller's protocol.
//
// On Linux this is futex(2). Elsewhere, and under the build tag portable, a sleeper
// polls with growing pauses of up to a millisecond and Wake does nothing, so a program
// must be right, only slower, when no wake-up ever comes. Every sleep has an
// end for the same reason: a process may be killed between changing a word and waking.
package futex

// Words handed to this package are 32 bits, aligned, and in memory that all
// sides map (MAP_SHARED) or in the heap of one process.

// Native reports whether waiting is done by the kernel here.
func Native() bool { return native }
