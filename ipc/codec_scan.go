package ipc

import "encoding/binary"

// maxNesting is how deep arrays and maps may lie inside each other: as
// encoding/json has it, and far from the end of a goroutine's stack.
const maxNesting = 10000

// span is a range of offsets.
type span struct{ from, to int }

// scan finds the end of the msgpack value that starts at src[i]. It proves
// that every length in the value is backed by bytes that are there, before a
// decoder that allocates by those lengths sees them. The payloads of
// extensions are added to exts.
func scan(src []byte, i int, exts []span) (end int, _ []span, st status) {
	var few [32]int
	open := few[:0] // values still missing in each container around i
	left := 1       // and in the one that i is in
	for {
		for left == 0 {
			if len(open) == 0 {
				return i, exts, statusOK
			}
			left = open[len(open)-1]
			open = open[:len(open)-1]
		}
		left--
		if i >= len(src) {
			return i, exts, statusShort
		}
		c := src[i]
		size, inner, isExt, st := head(src, i)
		if st != statusOK {
			return i, exts, st
		}
		if size > uint64(len(src)-i) || inner > uint64(len(src)-i) {
			return i, exts, statusShort
		}
		if isExt {
			exts = append(exts, span{i + extHead(c), i + int(size)})
		}
		i += int(size)
		if inner > 0 {
			if len(open) == maxNesting {
				return i, exts, statusDeep
			}
			open = append(open, left)
			left = int(inner)
		}
	}
}

// head reads the token at src[i]: how many bytes it has itself and how many
// values follow that belong to it.
func head(src []byte, i int) (size, inner uint64, isExt bool, st status) {
	c := src[i]
	switch {
	case c <= 0x7f || c >= fixNeg:
		return 1, 0, false, statusOK
	case c&0xe0 == fixStr:
		return 1 + uint64(c&0x1f), 0, false, statusOK
	case c&0xf0 == fixArray:
		return 1, uint64(c & 0x0f), false, statusOK
	case c&0xf0 == fixMap:
		return 1, 2 * uint64(c&0x0f), false, statusOK
	case c == 0xc1:
		return 0, 0, false, statusReserved
	}
	f := &forms[c-codeNil]
	if f.lenBytes == 0 {
		return uint64(f.size), 0, f.ext, statusOK
	}
	b := cut(src, i+1, int(f.lenBytes))
	if b == nil {
		return 0, 0, false, statusShort
	}
	var n uint64
	switch f.lenBytes {
	case 1:
		n = uint64(b[0])
	case 2:
		n = uint64(binary.BigEndian.Uint16(b))
	case 4:
		n = uint64(binary.BigEndian.Uint32(b))
	}
	if f.perItem > 0 {
		return uint64(f.size), n * uint64(f.perItem), false, statusOK
	}
	return uint64(f.size) + n, 0, f.ext, statusOK
}

// form describes the tokens from 0xc0 to 0xdf.
type form struct {
	size     uint8 // without what lenBytes announce
	lenBytes uint8
	perItem  uint8 // values per unit of length: 0 the length counts bytes, 1 an array, 2 a map
	ext      bool
}

var forms = [32]form{
	0:                      {size: 1}, // nil
	codeFalse - codeNil:    {size: 1},
	codeTrue - codeNil:     {size: 1},
	codeBin8 - codeNil:     {size: 2, lenBytes: 1},
	codeBin16 - codeNil:    {size: 3, lenBytes: 2},
	codeBin32 - codeNil:    {size: 5, lenBytes: 4},
	codeExt8 - codeNil:     {size: 3, lenBytes: 1, ext: true},
	codeExt16 - codeNil:    {size: 4, lenBytes: 2, ext: true},
	codeExt32 - codeNil:    {size: 6, lenBytes: 4, ext: true},
	codeFloat32 - codeNil:  {size: 5},
	codeFloat64 - codeNil:  {size: 9},
	codeUint8 - codeNil:    {size: 2},
	codeUint16 - codeNil:   {size: 3},
	codeUint32 - codeNil:   {size: 5},
	codeUint64 - codeNil:   {size: 9},
	codeInt8 - codeNil:     {size: 2},
	codeInt16 - codeNil:    {size: 3},
	codeInt32 - codeNil:    {size: 5},
	codeInt64 - codeNil:    {size: 9},
	codeFixExt1 - codeNil:  {size: 3, ext: true},
	0xd5 - codeNil:         {size: 4, ext: true},
	0xd6 - codeNil:         {size: 6, ext: true},
	0xd7 - codeNil:         {size: 10, ext: true},
	codeFixExt16 - codeNil: {size: 18, ext: true},
	codeStr8 - codeNil:     {size: 2, lenBytes: 1},
	codeStr16 - codeNil:    {size: 3, lenBytes: 2},
	codeStr32 - codeNil:    {size: 5, lenBytes: 4},
	codeArray16 - codeNil:  {size: 3, lenBytes: 2, perItem: 1},
	codeArray32 - codeNil:  {size: 5, lenBytes: 4, perItem: 1},
	codeMap16 - codeNil:    {size: 3, lenBytes: 2, perItem: 2},
	codeMap32 - codeNil:    {size: 5, lenBytes: 4, perItem: 2},
}

// extHead is the length of an extension's token before its payload.
func extHead(c byte) int {
	if c >= codeFixExt1 {
		return 2
	}
	return 2 + 1<<(c-codeExt8)
}
