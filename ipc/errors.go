package ipc

import "errors"

// Sentinel errors, for use with errors.Is.
var (
	// ErrEncode says that a value could not be encoded.
	ErrEncode = errors.New("ipc: cannot encode")
	// ErrDecode says that bytes could not be decoded into the wanted type. An
	// error that also is ErrCorrupt blames the bytes; one that is not, the type.
	ErrDecode = errors.New("ipc: cannot decode")
	// ErrCorrupt says that bytes read from a pipe or from mapped memory end too
	// early or cannot have been written by this package.
	ErrCorrupt = errors.New("ipc: damaged data")
	// ErrTooLarge says that a length exceeds the limit that the caller set.
	ErrTooLarge = errors.New("ipc: too large")
	// ErrFull says that a table or queue has no place left.
	ErrFull = errors.New("ipc: full")
	// ErrEmpty says that a queue has nothing in it.
	ErrEmpty = errors.New("ipc: empty")
	// ErrClosed says that the object was closed, here or at the other end.
	ErrClosed = errors.New("ipc: closed")
	// ErrNotResults says that a file is no result file: it is something else, or
	// its header cannot be read.
	ErrNotResults = errors.New("ipc: not a result file")
	// ErrVersion says that a result file has a format of another version.
	ErrVersion = errors.New("ipc: a result file of another version")
	// ErrTruncated says that a result file is shorter than it was.
	ErrTruncated = errors.New("ipc: a result file that was cut off")
	// ErrInUse says that somebody else has a result file open for writing.
	ErrInUse = errors.New("ipc: result file in use")
)
