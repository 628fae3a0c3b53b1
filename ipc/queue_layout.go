package ipc

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"

	"yunta/oslock/mapped"
)

// The file of a queue, in the machine's byte order:
//
//	offset  size  meaning
//	0       8     "yuntaque"
//	8       4     version
//	12      4     byte-order mark 0x01020304
//	16      4     how many items it may hold
//	64      4     1: closed
//	128     8     tail: the position after the last item         changes under the lock "put"
//	136     8     a head of some time ago, so that those who put need not look at the true one each time
//	192     8     head: the position of the next item            changes under the lock "get"
//	200     8     what is being done with a lease, see journal   the same
//	208     4     how many items are done, modulo 2^30           the same
//	212     4     how many slots are leased                      the same
//	216     4     how many slots hold an item that came back     the same
//	220     4     slots ever used: all in use are below          the same
//	224     8     a tail of some time ago, not before head
//	256     4     word on which those who get sleep, see line
//	320     4     word on which those who put sleep
//	384     4     word on which those sleep who wait for the last item to be done
//	4096    64*n  table of extents, see queueExtent
//	69632   16*n  slots of leases, see leaseSlot
//	196608  ...   extents, each a multiple of 64 KiB
//
// An extent holds records, one after the other, each at a multiple of 8 bytes:
//
//	0       8     bits 0-47 length of the payload, bits 48-63 0x5141; all ones: go on in the next extent
//	8       ...   the payload: one value in msgpack
//
// A position is where a record begins and how many came before it:
//
//	bits 34-63  items before it, modulo 2^30
//	bits 24-33  extent
//	bits 0-23   offset in the extent, in steps of 8 bytes; all ones: at the end
//
// So an item is put by one store to tail, and taken out by one to head: whoever dies does so before or after it.
// Everything else is written before the store that makes it count, or can be told from the two words. In
// particular an extent is in use if its place in the sequence of extents lies between those of head's and
// tail's; nobody has to free it.
const (
	queueMagic   = "yuntaque"
	queueVersion = 1

	offClosed  = 64
	offTail    = 128
	offOldHead = 136
	offHead    = 192
	offJournal = 200
	offDone    = 208
	offLeased  = 212
	offBack    = 216
	offSlots   = 220
	offOldTail = 224
	offGetters = 256
	offPutters = 320
	offWaiters = 384
	offExtents = 4096
	offLeases  = offExtents + maxQueueExtents*queueEntry
	queueBase  = 3 * grain // which is above offLeases + maxLeases*leaseEntry

	// Extents grow with the queue, so that 1024 of them suffice for some 60 GiB of small items.
	maxQueueExtents = 1024
	queueEntry      = 64
	minQueueExtent  = grain
	maxQueueExtent  = 64 << 20

	maxLeases  = 4096
	leaseEntry = 16

	countBits = 30
	countMask = 1<<countBits - 1
	// maxQueueSize is one less than what count can tell apart.
	maxQueueSize = countMask

	offsetEnd = 1<<24 - 1

	recordHeader = 8
	recordMark   = 0x5141 << 48
	recordSize   = 1<<48 - 1
	recordMoved  = ^uint64(0)
)

// qpos is a position.
type qpos uint64

func (p qpos) count() uint32 { return uint32(p >> 34) }
func (p qpos) extent() int   { return int(p >> 24 & (maxQueueExtents - 1)) }

// offset returns the offset in bytes, and whether there is one: none is the end.
func (p qpos) offset() (int, bool) { return int(p&offsetEnd) * 8, p&offsetEnd != offsetEnd }

// makePos makes a position of a count that may have run over and an offset that may be too large to point to.
func makePos(count uint32, extent, offset int) qpos {
	return qpos(count&countMask)<<34 | qpos(extent)<<24 | qpos(min(offset/8, offsetEnd))
}

// between returns how many items lie between two positions.
func between(head, tail qpos) uint32 { return (tail.count() - head.count()) & countMask }

// queueWords are the words of the header, in mapped memory. Every process that has the queue open changes them,
// as the table above says.
type queueWords struct {
	closed                        *atomic.Uint32
	tail, head                    *atomic.Uint64
	oldTail, oldHead              *atomic.Uint64
	journal                       *atomic.Uint64
	done, leased, back, slotsUsed *atomic.Uint32
	getters, putters, waiters     *atomic.Uint32
}

func queueWordsOf(r *mapped.Region) queueWords {
	return queueWords{
		closed: r.Uint32(offClosed), tail: r.Uint64(offTail), head: r.Uint64(offHead),
		oldTail: r.Uint64(offOldTail), oldHead: r.Uint64(offOldHead),
		journal: r.Uint64(offJournal), done: r.Uint32(offDone), leased: r.Uint32(offLeased),
		back: r.Uint32(offBack), slotsUsed: r.Uint32(offSlots),
		getters: r.Uint32(offGetters), putters: r.Uint32(offPutters), waiters: r.Uint32(offWaiters),
	}
}

// encodeQueueHeader returns what a new queue's file starts with.
func encodeQueueHeader(maxSize uint32) []byte {
	b := make([]byte, offExtents+queueEntry)
	copy(b, queueMagic)
	e := binary.NativeEndian
	e.PutUint32(b[8:], queueVersion)
	e.PutUint32(b[12:], headerOrder)
	e.PutUint32(b[16:], maxSize)
	first := b[offExtents:]
	e.PutUint64(first[0:], 1) // its place in the sequence
	e.PutUint64(first[8:], queueBase)
	e.PutUint64(first[16:], minQueueExtent)
	e.PutUint64(first[24:], minQueueExtent)
	return b
}

// readQueueHeader returns how many items the queue in f may hold.
func readQueueHeader(f *os.File) (maxSize uint32, err error) {
	bad := func(format string, args ...any) (uint32, error) {
		return 0, fmt.Errorf("%w: not a queue: %s", ErrCorrupt, fmt.Sprintf(format, args...))
	}
	b := make([]byte, 64)
	if _, err := f.ReadAt(b, 0); err != nil {
		return bad("%v", err)
	}
	e := binary.NativeEndian
	if string(b[:8]) != queueMagic {
		return bad("it begins with %q", b[:8])
	}
	if order, version := e.Uint32(b[12:]), e.Uint32(b[8:]); order != headerOrder || version != queueVersion {
		return bad("byte-order mark %#x, version %d", order, version)
	}
	maxSize = e.Uint32(b[16:])
	if maxSize == 0 || maxSize > maxQueueSize {
		return bad("it holds %d items", maxSize)
	}
	return maxSize, nil
}
