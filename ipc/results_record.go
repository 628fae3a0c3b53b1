package ipc

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// RecordStatus says how a call ended.
type RecordStatus uint8

// What a record can say.
const (
	// RecordRunning: begun and not ended. Its writer is at it, or died at it.
	RecordRunning RecordStatus = iota
	// RecordSucceeded: the payload is a value.
	RecordSucceeded
	// RecordFailed: the payload is an error.
	RecordFailed
	// RecordUnsuccessful: the payload is a value that itself tells of a failure.
	RecordUnsuccessful
)

// String returns the status in one word.
func (s RecordStatus) String() string {
	switch s {
	case RecordRunning:
		return "running"
	case RecordSucceeded:
		return "succeeded"
	case RecordFailed:
		return "failed"
	case RecordUnsuccessful:
		return "unsuccessful"
	}
	return fmt.Sprintf("RecordStatus(%d)", uint8(s))
}

// RecordRef is the offset of a record in its result file. It stays good as long
// as the file does.
type RecordRef uint64

// ExtentRef is the offset of an extent in its result file; 0 is none.
type ExtentRef uint64

// Record is one call as a result file keeps it. Job, Entry, Digest and
// Occurrence together are what it is found by.
type Record struct {
	Job, Entry string
	Digest     [sha256.Size]byte // of the whole encoded argument
	Occurrence uint32            // which of several with all the same
	Index      int64             // in its job
	Attempt    uint32
	Writer     uint32
	PID        int
	Started    time.Time
	Ended      time.Time // zero while it is running

	Argument     []byte // the beginning, for people to read
	ArgumentSize int64  // of the whole

	Status  RecordStatus
	Payload []byte
	Ref     RecordRef
}

// A record starts at a multiple of 8 and has a head of 128 bytes:
//
//	offset  size  meaning
//	0       8     state word: state in bits 56-63, bytes to the next record in
//	              bits 0-39
//	8       4     CRC-32C of bytes 16-103 and of entry, job and argument
//	12      4     CRC-32C of bytes 104-127 and of the payload
//	16      8     index
//	24      8     started, nanoseconds since 1970, 0 unknown
//	32      32    SHA-256 of the whole encoded argument
//	64      4     occurrence
//	68      4     attempt
//	72      4     writer
//	76      4     process
//	80      8     size of the whole argument
//	88      4     bytes of the entry's name
//	92      4     bytes of the job's name
//	96      4     bytes kept of the argument
//	100     4     zero
//	104     8     ended
//	112     8     bytes of the payload
//	120     8     status
//	128     ...   entry, job, argument, payload
//
// Both checksums begin with the identity of the file and the offset of the record
// (see seedAt).
//
// The writer fills in bytes 8 to 103 and what is before the payload, and
// publishes the record as started with one store of the state word; then it
// fills in the rest, and commits it with another. Before each of the two, the
// state word at the place where it says that the next record would begin has
// been stored as 0: whatever was left there is never taken for a record.
//
// Behind a started record nothing follows. One that was started and got no
// further becomes lost when somebody goes on behind it. One whose payload
// outgrows its extent becomes moving, is committed in another, and becomes
// moved. All but a committed one have no payload, and the next record may begin
// where it would have been.
//
// Any two states differ in four bits, and each in four from 0: one flipped bit
// is noticed. So it is in the size, which the lengths must add up to.
const (
	resultHead    = 128
	resultOutcome = 104
	resultAlign   = 8

	stateStarted   = 0x17
	stateCommitted = 0x2b
	stateLost      = 0x4d
	stateMoved     = 0x71
	stateMoving    = 0x8e

	stateSizeBits = 40
	stateSizeMask = 1<<stateSizeBits - 1
	recordState   = 56

	// maxResultName bounds a name, so that a length that is nonsense is noticed
	// before anything is read because of it.
	maxResultName = 64 << 10
	// maxResult is what fits in one extent.
	maxResult = maxExtentSize - grain
)

type stateWord uint64

func makeState(state uint8, size int) stateWord {
	return stateWord(uint64(state)<<recordState | uint64(size))
}

func (w stateWord) state() uint8 { return uint8(w >> recordState) }
func (w stateWord) size() int64  { return int64(w & stateSizeMask) }

// plausible is a look at the word alone.
func (w stateWord) plausible() bool {
	switch w.state() {
	case stateStarted, stateCommitted, stateLost, stateMoved, stateMoving:
		return w>>stateSizeBits&0xffff == 0 && w.size() >= resultHead && w.size()%resultAlign == 0
	}
	return false
}

func alignResult(n int) int { return (n + resultAlign - 1) &^ (resultAlign - 1) }

// headSize is how many bytes a record has before its payload.
func (r *Record) headSize(kept int) (int, error) {
	if len(r.Entry) > maxResultName || len(r.Job) > maxResultName {
		return 0, fmt.Errorf("%w: names of %d and %d bytes, limit %d", ErrTooLarge, len(r.Entry), len(r.Job), maxResultName)
	}
	if int64(kept) > math.MaxUint32 {
		return 0, fmt.Errorf("%w: %d bytes of an argument to be kept", ErrTooLarge, kept)
	}
	return resultHead + len(r.Entry) + len(r.Job) + kept, nil
}

// encodeHead writes all of the record but the state word and the payload.
func (r *Record) encodeHead(b, kept []byte, seed uint32) {
	e := binary.NativeEndian
	e.PutUint64(b[16:], uint64(r.Index))
	e.PutUint64(b[24:], uint64(unixNano(r.Started)))
	copy(b[32:64], r.Digest[:])
	e.PutUint32(b[64:], r.Occurrence)
	e.PutUint32(b[68:], r.Attempt)
	e.PutUint32(b[72:], r.Writer)
	e.PutUint32(b[76:], uint32(r.PID))
	e.PutUint64(b[80:], uint64(max(r.ArgumentSize, int64(len(r.Argument)))))
	e.PutUint32(b[88:], uint32(len(r.Entry)))
	e.PutUint32(b[92:], uint32(len(r.Job)))
	e.PutUint32(b[96:], uint32(len(kept)))
	e.PutUint32(b[100:], 0)
	clear(b[resultOutcome:resultHead])
	n := resultHead
	n += copy(b[n:], r.Entry)
	n += copy(b[n:], r.Job)
	n += copy(b[n:], kept)
	e.PutUint32(b[8:], headChecksum(b, n, seed))
	e.PutUint32(b[12:], 0)
}

func headChecksum(b []byte, head int, seed uint32) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli(), b[16:resultOutcome]), castagnoli(), b[resultHead:head])
}

// encodeOutcome writes what comes with the payload, which stands there already.
func encodeOutcome(b []byte, head, payload int, s RecordStatus, ended time.Time, seed uint32) {
	e := binary.NativeEndian
	e.PutUint64(b[104:], uint64(unixNano(ended)))
	e.PutUint64(b[112:], uint64(payload))
	e.PutUint64(b[120:], uint64(s))
	e.PutUint32(b[12:], outcomeChecksum(b, head, payload, seed))
}

func outcomeChecksum(b []byte, head, payload int, seed uint32) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli(), b[resultOutcome:resultHead]), castagnoli(), b[head:head+payload])
}

// resultLengths are the lengths of a record whose head's checksum holds.
type resultLengths struct {
	head    int // to the payload
	payload int // as the outcome has it
	headOK  bool
}

// checkResult proves that a record begins at b, with everything that belongs to
// it: b goes to the end of its extent and its state word was read as w. Without
// all, it does not read the payload.
func checkResult(b []byte, w stateWord, seed uint32, all bool) (n resultLengths, err error) {
	if len(b) < resultHead {
		return n, fmt.Errorf("%d bytes are left for it", len(b))
	}
	e := binary.NativeEndian
	entry, job, kept := e.Uint32(b[88:]), e.Uint32(b[92:]), e.Uint32(b[96:])
	head := resultHead + uint64(entry) + uint64(job) + uint64(kept)
	if entry > maxResultName || job > maxResultName || head > uint64(len(b)) {
		return n, fmt.Errorf("a head of %d bytes in %d", head, len(b))
	}
	n.head = int(head)
	if got, want := headChecksum(b, n.head, seed), e.Uint32(b[8:]); got != want {
		return n, fmt.Errorf("checksum of the head %#x, want %#x", got, want)
	}
	n.headOK = true
	if !w.plausible() {
		return n, fmt.Errorf("state %#x", uint64(w))
	}
	if w.state() != stateCommitted {
		if w.size() != int64(alignResult(n.head)) {
			return n, fmt.Errorf("%d bytes to the next, want %d", w.size(), alignResult(n.head))
		}
		return n, nil
	}
	payload := e.Uint64(b[112:])
	if payload > uint64(len(b)-n.head) {
		return n, fmt.Errorf("a payload of %d bytes in %d", payload, len(b)-n.head)
	}
	n.payload = int(payload)
	if w.size() != int64(alignResult(n.head+n.payload)) {
		return n, fmt.Errorf("%d bytes to the next, want %d", w.size(), alignResult(n.head+n.payload))
	}
	if s := e.Uint64(b[120:]); s == uint64(RecordRunning) || s > uint64(RecordUnsuccessful) {
		return n, fmt.Errorf("status %d", s)
	}
	if !all {
		return n, nil
	}
	if got, want := outcomeChecksum(b, n.head, n.payload, seed), e.Uint32(b[12:]); got != want {
		return n, fmt.Errorf("checksum of the payload %#x, want %#x", got, want)
	}
	return n, nil
}

// decode fills r from a record that checkResult has passed. Argument and
// Payload alias b; names are kept as they are if they have not changed, which
// spares most of the allocations.
func (r *Record) decode(b []byte, n resultLengths, w stateWord, off int64) {
	e := binary.NativeEndian
	entry, job := int(e.Uint32(b[88:])), int(e.Uint32(b[92:]))
	at := resultHead
	if s := b[at : at+entry]; string(s) != r.Entry {
		r.Entry = string(s)
	}
	at += entry
	if s := b[at : at+job]; string(s) != r.Job {
		r.Job = string(s)
	}
	at += job
	r.Index = int64(e.Uint64(b[16:]))
	r.Started = fromUnixNano(int64(e.Uint64(b[24:])))
	r.Digest = [sha256.Size]byte(b[32:64])
	r.Occurrence = e.Uint32(b[64:])
	r.Attempt = e.Uint32(b[68:])
	r.Writer = e.Uint32(b[72:])
	r.PID = int(e.Uint32(b[76:]))
	r.ArgumentSize = int64(e.Uint64(b[80:]))
	r.Argument = b[at:n.head:n.head]
	r.Ref = RecordRef(off)
	r.Ended, r.Status, r.Payload = time.Time{}, RecordRunning, nil
	if w.state() == stateCommitted {
		r.Ended = fromUnixNano(int64(e.Uint64(b[104:])))
		r.Status = RecordStatus(e.Uint64(b[120:]))
		r.Payload = b[n.head : n.head+n.payload : n.head+n.payload]
	}
}

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromUnixNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
