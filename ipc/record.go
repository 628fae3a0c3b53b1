package ipc

import "fmt"

// Ref says where a record starts. It is a number that can be sent or stored
// anywhere; 0 is none. The bits are:
//
//	62     always 1
//	45-56  extent
//	32-44  generation of the extent, so that an old Ref is noticed
//	0-31   offset in the extent, in steps of 16 bytes
type Ref uint64

// A record is a head of 32 bytes, at a multiple of 16, and the values back to
// back behind it:
//
//	offset  size  meaning
//	0       8     commit word: count of values in bits 40-63, bytes in bits 0-39
//	8       8     link: 0 still open, 1 end of the chain, 2 the reader gave up,
//	              else the Ref of the next record
//	16      8     0x5972 in bits 48-63, generation in bits 32-44, kind in bits 0-7
//	24      8     zero
//
// The writer alone stores the commit word, once for each value: what lies behind
// the bytes it counts is not there yet. The link is set once, by
// compare-and-swap, after the last commit.
const (
	recordHead  = 32
	recordAlign = 16
	recordMagic = 0x5972 << 48

	countShift = 40
	maxCount   = 1<<24 - 1
	bytesMask  = 1<<countShift - 1

	linkOpen  = 0
	linkEnd   = 1
	linkGiven = 2

	refMark     = 1 << 62
	refIDShift  = 45
	refGenShift = 32

	// minRoom is the least room a record is opened for in what is left of an
	// extent, and less than a thousandth of the usual one.
	minRoom = 512
)

func makeRef(id uint32, gen uint64, off int) Ref {
	return Ref(refMark | uint64(id)<<refIDShift | gen<<refGenShift | uint64(off)/recordAlign)
}

func (r Ref) id() uint32  { return uint32(r>>refIDShift) & (maxExtents - 1) }
func (r Ref) gen() uint64 { return uint64(r>>refGenShift) & genMask }
func (r Ref) off() int    { return int(uint32(r)) * recordAlign }

// String names the place, for messages.
func (r Ref) String() string {
	if r == 0 {
		return "no record"
	}
	return fmt.Sprintf("record at %d of extent %d.%d", r.off(), r.id(), r.gen())
}

func align(n int) int { return (n + recordAlign - 1) &^ (recordAlign - 1) }
