// Package manager keeps objects on a server for processes that use them by proxies, of the same machine or of others:
// Python's multiprocessing.managers.
//
// A [Server] runs in any process (supervisor.NewManager starts one in a process of its own), and each [Client] is one
// connection to it, with a key that both must have. There are [Dict], [List], [Namespace], [Value], [Array], [Queue],
// [Lock], [RLock], [Semaphore], [Condition], [Event] and [Barrier], objects of the program's own types ([Register]), and
// shared memory that belongs to the server ([NewSharedMemory]). The shortest useful program:
//
//	m, err := supervisor.NewManager(ctx, supervisor.ManagerOptions{})
//	...
//	counts, err := manager.NewDict[string, int](ctx, m.Client(), nil)
//	...
//	// In this process, or in a child that was given counts in its argument:
//	n, err := counts.Add(ctx, "apples", 1)
//
// What a method does it does on the server, at once: Add, CompareAndSwap, Insert, SetDefault and registered updates
// ([RegisterUpdate]) are atomic where Python's `d[k] += 1` is two messages.
//
// What happens when something fails:
//
//   - A client ends, however it does, kill -9 too: what it has locked is unlocked, its permits come back, the items that it
//     was leased go back to their queue, a barrier that it waits at breaks, what it waits for is given up, and sequences
//     and methods that it has called have their context end. Others go on at once. Objects stay.
//   - The server ends, or its machine or the network does: every call that waits, and every later one, is [ErrLost].
//     All objects are gone; nothing is kept on disk. A machine that vanishes without a word is noticed by TCP's
//     keep-alive, or five seconds after a context has ended.
//   - A context ends: its call is taken back on the server. An error means that it was not carried out, but for
//     methods of registered types, which are told and not waited for, and for Condition.Wait.
//   - The server refuses: a *[child.RemoteError] that wraps the sentinel error, such as [ErrKey] or ipc.ErrEmpty. A panic
//     of a method is one, too, with its stack; the server goes on.
//   - A value cannot be encoded: ipc.ErrEncode, and nothing was sent. What arrives cannot be decoded: ipc.ErrDecode.
//   - A wrong key: ipc.ErrAuth, and the server goes on.
//   - A frame that is none, or too long: the server drops that client.
//
// A call takes two system calls at each end; the ends look for the next frame for some 20 us before they sleep
// (ipc.Conn.SetSpin). Calls that wait keep nobody else waiting.
//
// The package does not encrypt. Whoever has the key can use and shut down the server, and can have it keep as much as its
// memory holds; functions are not sent, so nobody can have it run what is not registered.
package manager
