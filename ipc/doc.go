// Package ipc carries values between processes: a msgpack codec, frames over
// blocking pipes, and an anonymous mapped file of extents that many writers
// fill with records while one reader copies them out.
//
// The three layers are independent. A [Codec] turns Go values into standard
// msgpack and back. A frame puts a length before a body, exactly as Python's
// multiprocessing.connection does, so that a Python process can read and write
// it with Connection.recv_bytes and send_bytes. [Extents] keep large or many
// values out of the pipe altogether: a writer encodes straight into mapped
// memory, makes each value visible with one atomic store, and may be killed at
// any instruction without the reader ever seeing half a value.
//
// The package does not start processes and does not know who is at the other
// end; it has readers and writers only. It does not encrypt, and it does not
// survive a change of the byte order between the two ends of mapped memory.
package ipc
