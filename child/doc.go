// Package child is the part of yunta that runs inside a child process: it
// knows the functions that children may be asked to run, turns a process that
// a supervisor started into a worker, and serves tasks there.
//
// A program registers its functions at package level and calls Main first in
// main:
//
//	var square = child.Register("square", func(ctx context.Context, n int) (int, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		child.Main()
//		// From here on this is the parent: make a pool, call supervisor.Map.
//	}
//
// The child is the same binary, started anew, so a registered name means the
// same function on both sides; arguments and results cross as msgpack.
// It corresponds to the target functions and the bootstrap of Python's
// multiprocessing ("spawn" start method).
//
// Functions of other programs, such as Python ones, that a pool's workers run are
// declared by [Foreign].
//
// What it will not do: a task may not hand goroutines, channels or pointers
// into the parent's memory across; anything a task changes in its globals
// stays in its own process.
package child
