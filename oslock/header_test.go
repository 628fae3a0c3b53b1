package oslock

import (
	"bytes"
	"testing"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	for _, want := range []header{
		{kind: kindLock, id: registryID{1, 15: 2}},
		{kind: kindSemaphore, bounded: true, initial: maxPlain},
		{kind: kindUndo, initial: maxUndo, id: registryID{3}},
	} {
		got, err := decodeHeader(want.encode(), int64(want.size()))
		if err != nil || got != want {
			t.Errorf("decoded %v, %v, want %v", got, err, want)
		}
	}
	if got := fileKind(9).String(); got != "kind 9" {
		t.Errorf("an unknown kind is %q", got)
	}
}

// Whatever a file starts with: no panic, and what is accepted is what would be written.
func FuzzDecodeHeader(f *testing.F) {
	for _, h := range []header{{kind: kindLock}, {kind: kindSemaphore, bounded: true, initial: 3}, {kind: kindUndo}} {
		f.Add(h.encode(), int64(h.size()))
		f.Add(h.encode()[:20], int64(20))
	}
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		b = b[:min(len(b), headerSize)]
		for _, want := range []header{{kind: kindLock}, {kind: kindUndo}} {
			want.unfinished(b, size)
		}
		h, err := decodeHeader(b, size)
		if err != nil {
			return
		}
		again := h.encode()
		if !bytes.Equal(again[:15], b[:15]) || !bytes.Equal(again[16:40], b[16:40]) || size != int64(h.size()) {
			t.Errorf("%x accepted as %v, which is %x", b, &h, again)
		}
	})
}
