package rundir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestRootMakesPrivateDirectory(t *testing.T) {
	want := private(t)
	for range 2 {
		got, err := Root()
		if err != nil || got != want {
			t.Fatalf("Root() = %q, %v, want %q", got, err, want)
		}
		info, err := os.Lstat(got)
		if err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Fatalf("mode %v, %v, want a directory with 0700", info.Mode(), err)
		}
	}
}

func TestRootRefuses(t *testing.T) {
	link := func(t *testing.T, path string) {
		t.Helper()
		target := t.TempDir()
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	dangling := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Symlink(filepath.Join(t.TempDir(), "nothing"), path); err != nil {
			t.Fatal(err)
		}
	}
	file := func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(t *testing.T, path string) {
		t.Helper()
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o755), os.WriteFile(path+"/x", nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		make func(*testing.T, string)
		text string
	}{
		{"symbolic link", link, "symbolic link"},
		{"dangling link", dangling, "symbolic link"},
		{"file", file, "is a file"},
		{"used by others", open, "has mode 0755, want 0700"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := private(t)
			tt.make(t, path)
			if _, err := Root(); !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Root() error = %v, want ErrUnsafe with %q", err, tt.text)
			}
			if _, err := Create("x"); !errors.Is(err, ErrUnsafe) {
				t.Errorf("Create error = %v, want ErrUnsafe", err)
			}
		})
	}
	t.Run("relative", func(t *testing.T) {
		t.Setenv(Env, "somewhere/else")
		if _, err := Root(); err == nil || !strings.Contains(err.Error(), "absolute") {
			t.Errorf("Root() error = %v, want one about an absolute path", err)
		}
	})
	t.Run("parent missing", func(t *testing.T) {
		t.Setenv(Env, filepath.Join(t.TempDir(), "a", "b"))
		if _, err := Root(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Root() error = %v, want fs.ErrNotExist", err)
		}
	})
}

func TestRootRepairsMode(t *testing.T) {
	for _, mode := range []fs.FileMode{0o755, 0o777, 0o500, 0o000} {
		t.Run(mode.String(), func(t *testing.T) {
			path := private(t)
			if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
				t.Fatal(err)
			}
			if _, err := Root(); err != nil {
				t.Fatal(err)
			}
			if info, _ := os.Stat(path); info.Mode().Perm() != 0o700 {
				t.Errorf("mode %v after Root, want 0700", info.Mode())
			}
		})
	}
	t.Run("default place with entries", func(t *testing.T) {
		place := t.TempDir()
		path := filepath.Join(place, "yunta-"+strconv.Itoa(os.Geteuid()))
		if err := errors.Join(os.Mkdir(path, 0o755), os.WriteFile(path+"/lock", nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		d, err := openFirst([]string{place}, os.Geteuid())
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o700 {
			t.Errorf("mode %v, want 0700", info.Mode())
		}
	})
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	path := private(t)
	if err := errors.Join(os.Mkdir(path, 0o700), os.Chown(path, 1, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := Root()
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "user 1 ") {
		t.Errorf("Root() error = %v, want ErrForeign naming user 1", err)
	}
	if info, _ := os.Stat(path); info.Sys().(*syscall.Stat_t).Uid != 1 || info.Mode().Perm() != 0o700 {
		t.Errorf("the foreign directory was changed: %v", info.Mode())
	}
	// A stranger's directory in the first place must not send us to the second.
	first, second := t.TempDir(), t.TempDir()
	squat := filepath.Join(first, "yunta-0")
	if err := errors.Join(os.Mkdir(squat, 0o700), os.Chown(squat, 1, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := openFirst([]string{first, second}, 0); !errors.Is(err, ErrForeign) {
		t.Errorf("error = %v, want ErrForeign", err)
	}
	if got := entries(t, second); len(got) != 0 {
		t.Errorf("the second place was used: %v", got)
	}
}

func TestPlacesFallBack(t *testing.T) {
	t.Parallel()
	good := t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	places := []string{filepath.Join(good, "missing"), file, good, t.TempDir()}
	d, err := openFirst(places, os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := filepath.Dir(d.Name()); got != good {
		t.Errorf("place %s, want %s", got, good)
	}
	if _, err := openFirst(places[:2], os.Geteuid()); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("error = %v, want both reasons", err)
	}
}

func TestUserName(t *testing.T) {
	t.Parallel()
	if got := userName(0); got != "root" {
		t.Errorf("userName(0) = %q, want root", got)
	}
	if got := userName(1<<31 - 7); got != "" {
		t.Errorf("name of nobody = %q, want none", got)
	}
}
