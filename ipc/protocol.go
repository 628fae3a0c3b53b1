package ipc

// WireVersion is the version of what a [Conn] puts on the wire. It is not sent:
// the wire is that of Python's multiprocessing.connection, which sends none.
//
// The promise: a Conn of any later yunta with the same WireVersion, and the
// Connection, Listener and Client of Python 3.6 and later, can be at the other
// end. What is added will be told apart by what is there now. A change that
// cannot be changes WireVersion, and the old form is still understood.
//
// # Messages
//
// All that is sent is frames, one a message, one behind the other. Numbers are
// big-endian.
//
//	offset  size  meaning
//	0       4     n, the size of the body: 0 to 0x7fffffff
//	4       n     the body
//
// or, for a body of 2 GiB and more (it is understood for smaller ones, too),
//
//	offset  size  meaning
//	0       4     ff ff ff ff, which is -1
//	4       8     n, the size of the body
//	12      n     the body
//
// Other negative numbers are an error, and so is an n above the receiver's limit
// (see [ConnOptions]); after either nothing can be received. The connection ends
// between two frames: at any other place, it was cut. A message of no bytes is a
// message.
//
// The body of [Conn.SendBytes] is whatever it was given; that of [Conn.Send] is one
// value in msgpack (https://msgpack.org). Python's send would put a pickle there,
// which Go does not read: use send_bytes(msgpack.packb(v)) and
// msgpack.unpackb(recv_bytes()).
//
// Beside a hexdump, c.Send([]any{"hi", 300}) and then c.SendBytes(nil):
//
//	00 00 00 07   92 a2 68 69 cd 01 2c   00 00 00 00
//	~~~~~~~~~~~   ~~ ~~~~~~~~ ~~~~~~~~   ~~~~~~~~~~~
//	7 bytes       |  "hi"     300        no bytes
//	              array of 2
//
// # Files
//
// On a Unix socket a file is one byte, 01, that is no part of a frame and has the
// descriptor beside it in a control message (SCM_RIGHTS, unix(7)). It comes where
// a frame could begin, and the receiver must know that it comes. Python's
// send_handle and recv_handle do the same; on macOS they also send the byte
// 41 back, which a Conn does not.
//
// The connections and files that are part of the value of a Send stand before its
// frame: one byte, fe, which begins no frame, with all their descriptors beside it.
// In the value each is an array of two, the number of its descriptor, from 0, and
// the name of its file.
//
// # Handshake
//
// With a key, both ends prove that they have it before anything else is sent. Each
// line is a frame of 256 bytes at most. L listens, D dials; | is concatenation.
//
//	L → D   "#CHALLENGE#" | m      m = "{sha256}" | 40 random bytes
//	D → L   "{sha256}" | HMAC-SHA-256(key, m)
//	L → D   "#WELCOME#"            or "#FAILURE#", and the end
//	D → L   "#CHALLENGE#" | w      w as m, of D's making
//	L → D   "{sha256}" | HMAC-SHA-256(key, w)
//	D → L   "#WELCOME#"            or "#FAILURE#", and the end
//
// The digest is md5, sha256, sha384, sha3_256 or sha3_384: the challenge names
// one, the answer names the one it was made with. The name is under the HMAC, so
// nobody between the two can change it. An answer in another of these digests is
// taken.
//
// Python 3.11 and before know no names: their challenge is m = 20 random bytes, the
// answer is the 16 bytes of HMAC-MD5(key, m), bare. They are told by these
// lengths: a challenge of 20 bytes is answered bare, a bare answer of 16 bytes is
// HMAC-MD5 of whatever m was, named digest and all. Both ends of a Conn take both.
//
// Beside a hexdump, the first three frames:
//
//	00 00 00 3b   23 43 48 41 4c 4c 45 4e 47 45 23   7b 73 68 61 32 35 36 7d   40 bytes
//	59 bytes      #  C  H  A  L  L  E  N  G  E  #    {  s  h  a  2  5  6  }    random
//
//	00 00 00 28   7b 73 68 61 32 35 36 7d   32 bytes
//	40 bytes      {  s  h  a  2  5  6  }    the HMAC
//
//	00 00 00 09   23 57 45 4c 43 4f 4d 45 23
//	9 bytes       #  W  E  L  C  O  M  E  #
//
// The whole must be done within a time of either end's choosing. An end without a
// key sends and expects none of this. The handshake says who is there, once: it
// neither hides what follows nor protects it from being changed on the way.
const WireVersion = 1
