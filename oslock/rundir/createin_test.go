package rundir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder elsewhere lives and is swept as in the run directory, and the two do not touch each other.
func TestCreateIn(t *testing.T) {
	root := private(t)
	disk := filepath.Join(t.TempDir(), "disk")
	d, err := CreateIn(disk, "spill")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(d.Path()) != disk || !strings.HasPrefix(filepath.Base(d.Path()), finished+"spill-") {
		t.Errorf("made %s", d.Path())
	}
	if info, err := os.Stat(disk); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("mode %v, %v, want a directory with 0700", info.Mode(), err)
	}
	// One whose process is dead, with something in it.
	dead := filepath.Join(disk, finished+"dead-1-x")
	if err := errors.Join(os.MkdirAll(filepath.Join(dead, "deep"), 0o700), os.WriteFile(filepath.Join(dead, aliveName), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if n, err := Sweep(); n != 0 || err != nil {
		t.Errorf("Sweep() = %d, %v, want only the run directory to be swept", n, err)
	}
	other, err := CreateIn(disk, "spill")
	if err != nil {
		t.Fatal(err)
	}
	if other.Swept() != 1 {
		t.Errorf("Swept() = %d, want 1", other.Swept())
	}
	if list, err := List(); err != nil || len(list) != 0 {
		t.Errorf("List() = %v, %v, want none in the run directory", list, err)
	}
	if err := errors.Join(d.Close(), other.Close()); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{disk, root} {
		if got := entries(t, dir); len(got) != 0 {
			t.Errorf("left in %s: %v", dir, got)
		}
	}
}

func TestCreateInKilled(t *testing.T) {
	root := private(t)
	if err := helper(t, root, "kill", "create", 5).Run(); err == nil {
		t.Fatal("the process that should have died did not")
	}
	if len(entries(t, root)) == 0 {
		t.Fatal("the dead process left nothing")
	}
	d, err := CreateIn(root, "next")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if got := entries(t, root); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestCreateInRefuses(t *testing.T) {
	if _, err := CreateIn("relative", "x"); err == nil {
		t.Error("a relative path was taken")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateIn(file, "x"); !errors.Is(err, ErrUnsafe) {
		t.Errorf("got %v for a file, want ErrUnsafe", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateIn(link, "x"); !errors.Is(err, ErrUnsafe) {
		t.Errorf("got %v for a link, want ErrUnsafe", err)
	}
}
