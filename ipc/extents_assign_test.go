package ipc

import (
	"context"
	"errors"
	"testing"
)

func TestAssignedExtent(t *testing.T) {
	t.Parallel()
	x, err := CreateExtents(ExtentOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	const writer = 7
	id, err := x.Assign(writer)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := x.Assign(writer + 1); err != nil || other == id {
		t.Fatalf("another writer got extent %d, %v", other, err)
	}
	if err := x.NewRecordWriter(writer + 1).Adopt(id); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another's extent was adopted: %v", err)
	}
	if err := x.NewRecordWriter(writer).Adopt(maxExtents); !errors.Is(err, ErrCorrupt) {
		t.Errorf("an extent beyond the table was adopted: %v", err)
	}
	w := x.NewRecordWriter(writer)
	if err := w.Adopt(id); err != nil {
		t.Fatal(err)
	}
	if got := x.entry(int(id)).reserved.Load(); got != grain {
		t.Errorf("%d bytes are reserved for a writer that has written nothing, want %d", got, grain)
	}
	ctx := context.Background()
	ref, err := w.Begin(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 1000)
	for n := 0; n < defaultExtentSize-2*grain; n += len(value) { // more than is reserved, less than an extent
		buf, err := w.Room(ctx, len(value))
		if err == nil {
			err = w.Commit(ctx, append(buf, value...))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if w.id != int(id) || ref.id() != id {
		t.Errorf("the writer went on in extent %d, began in %d, was assigned %d", w.id, ref.id(), id)
	}
	if got := x.entry(int(id)).reserved.Load(); got != defaultExtentSize {
		t.Errorf("%d bytes are reserved, want %d", got, defaultExtentSize)
	}
	if n, err := x.ReclaimWriter(writer); n != 1 || err != nil {
		t.Errorf("reclaimed %d extents, %v", n, err)
	}
}
