package child

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"runtime/debug"
	"sync"
)

// Build returns the identity of this program's build. A supervisor and its
// children compare theirs, because entries are found by name only: another
// build may give another function under the same name.
//
// It is the Go linker's build ID, which changes with any change of code or
// flags; where the executable cannot be read, a digest of the module
// information.
func Build() string { return buildID() }

var buildID = sync.OnceValue(func() string {
	if f, err := openPlain(executable()); err == nil {
		defer f.Close()
		if id := readBuildID(f); id != "" {
			return id
		}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	sum := sha256.Sum256([]byte(info.String()))
	return hex.EncodeToString(sum[:8])
})

// buildPrefix stands before the build ID near the start of every Go
// executable: in a note on ELF, before the program text elsewhere.
var (
	buildPrefix = []byte("\xff Go build ID: \"")
	elfNote     = []byte("\x04\x00\x00\x00Go\x00\x00") // note type 4, name "Go"
)

// buildSearch is how far into the file the ID is looked for, in bytes; the Go
// tool itself looks no further.
const buildSearch = 32 << 10

func readBuildID(f io.ReaderAt) string {
	for _, size := range []int{4 << 10, buildSearch} { // nearly always in the first page
		head := make([]byte, size)
		n, err := f.ReadAt(head, 0)
		if err != nil && err != io.EOF {
			return ""
		}
		head = head[:n]
		if _, tail, ok := bytes.Cut(head, buildPrefix); ok {
			if id, _, ok := bytes.Cut(tail, []byte{'"'}); ok {
				return string(id)
			}
		}
		if i := bytes.Index(head, elfNote); i >= 8 {
			size := int(head[i-4]) | int(head[i-3])<<8
			if id := i + len(elfNote); id+size <= len(head) {
				return string(head[id : id+size])
			}
		}
	}
	return ""
}
