// Package ipc carries values between processes: a msgpack codec, frames over
// blocking pipes, connections, an anonymous mapped file of extents that many writers fill with
// records while one reader copies them out, and a durable file of results.
//
// The layers are independent. A [Codec] turns Go values into standard
// msgpack and back. A frame puts a length before a body, exactly as Python's
// multiprocessing.connection does, so that a Python process can read and write
// it with Connection.recv_bytes and send_bytes. [Extents] keep large or many
// values out of the pipe altogether: a writer encodes straight into mapped
// memory, makes each value visible with one atomic store, and may be killed at
// any instruction without the reader ever seeing half a value.
//
// A [ResultFile] keeps what was called and what came of it, for another run and
// for people. Many processes write to it and read it at the same time, each through
// its own mapping; nobody waits for anybody. A record is begun by one atomic store
// and committed by another, so a writer may be killed at any instruction and loses
// what it was writing, no more. Every record has checksums, and every extent says
// where it belongs: a file that is damaged or cut off is told from one that is
// not, and all that is whole in it can be read, and copied out with
// [RepairResults]. Its format, version 1, is written down in results_header.go,
// results_extent.go and results_record.go.
//
// A [Conn] carries whole messages, values or bytes, between two processes, as
// Python's Connection does, and with Python itself: [Pipe] and [SimplexPipe] make
// both ends, [Listen] and [Dial] meet at an address, with Python's handshake if
// there is a key, and [Wait] waits for many at once. Open files travel along on
// Unix sockets. The wire is written down at [WireVersion]. The shortest useful
// program:
//
//	a, b, err := ipc.Pipe()
//	...
//	err = a.Send("hello")
//	text, err := ipc.Recv[string](b)
//
// [SharedMemory] is a named segment of bytes, [ShareableList] one of mixed items, [Value] and [Array] are typed ones with
// a robust lock, and [Atomic] has the atomic operations on their integers. A [Queue]
// carries values between any number of processes: an item is in shared memory when Put
// returns. All of them belong to the process that made them: they are gone when it
// removes them or ends, however it ends, and nobody else's coming, going or dying
// makes a difference. They are handed to another process by a [Handle], two paths that
// can be sent like any value. What has a name can be opened by it too:
//
//	q, err := ipc.NewQueue[string](ipc.QueueOptions{Name: "words"}) // one process
//	q, err := ipc.OpenQueue[string](ipc.Handle{File: "words"})      // another
//
// The formats, version 1, are written down in value_memory.go and queue_layout.go.
//
// The package does not start processes and does not know who is at the other
// end; it has readers and writers only. It does not encrypt, and it does not
// survive a change of the byte order between the two ends of mapped memory.
package ipc
