package ipc

// The msgpack format, https://github.com/msgpack/msgpack/blob/master/spec.md:
// first bytes and their ranges. All numbers after them are big-endian.
const (
	codeNil   = 0xc0
	codeFalse = 0xc2
	codeTrue  = 0xc3
	codeBin8  = 0xc4
	codeBin16 = 0xc5
	codeBin32 = 0xc6
	codeExt8  = 0xc7
	codeExt16 = 0xc8
	codeExt32 = 0xc9

	codeFloat32 = 0xca
	codeFloat64 = 0xcb
	codeUint8   = 0xcc
	codeUint16  = 0xcd
	codeUint32  = 0xce
	codeUint64  = 0xcf
	codeInt8    = 0xd0
	codeInt16   = 0xd1
	codeInt32   = 0xd2
	codeInt64   = 0xd3

	codeFixExt1  = 0xd4
	codeFixExt16 = 0xd8
	codeStr8     = 0xd9
	codeStr16    = 0xda
	codeStr32    = 0xdb
	codeArray16  = 0xdc
	codeArray32  = 0xdd
	codeMap16    = 0xde
	codeMap32    = 0xdf

	fixMap   = 0x80 // 0x80..0x8f
	fixArray = 0x90 // 0x90..0x9f
	fixStr   = 0xa0 // 0xa0..0xbf
	fixNeg   = 0xe0 // 0xe0..0xff
)

// status is what a reading loop found. It is a number and not an error so that
// the loops stay small; decodeError makes the error.
type status uint8

const (
	statusOK       status = iota
	statusShort           // the input ends inside the value
	statusCode            // the first byte does not begin a value of this type
	statusRange           // the value does not fit the type
	statusReserved        // 0xc1, which msgpack never uses
	statusDeep            // nested beyond maxNesting
)

// cut returns the n bytes of src at i, or nil if there are not as many.
func cut(src []byte, i, n int) []byte {
	if len(src)-i < n {
		return nil
	}
	return src[i : i+n : i+n]
}
