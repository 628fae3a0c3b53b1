//go:build unix

package jobs

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// inline is how much of an output travels in the result, in bytes: beyond it copying costs more than a file's name.
	inline = 64 << 10
	// roomEvery is how often it is looked whether the disk is full when no job gives reason to.
	roomEvery = 100 * time.Millisecond
	// leastRoom is how many free bytes of a disk are as good as none. Of a very small one a sixteenth.
	leastRoom = 256 << 10
)

// outputs are the two files that a worker's jobs write to.
type outputs struct {
	dir            string
	most           int // see Settings.Keep
	worker, pid    int
	sequence       int
	stdout, stderr file
	looked         time.Time // when the disk's room was
}

// file is one of them. It is open while its name is not "".
type file struct {
	fd   int
	name string
}

// Prefix begins the names of the files of one worker, given by its index and process id.
func Prefix(worker, pid int) string {
	return "w" + strconv.Itoa(worker) + "-" + strconv.Itoa(pid) + "-"
}

// open makes the files that are not there.
func (o *outputs) open() error {
	for _, f := range []struct {
		*file
		suffix string
	}{{&o.stdout, ".out"}, {&o.stderr, ".err"}} {
		for f.name == "" {
			o.sequence++
			name := Prefix(o.worker, o.pid) + strconv.Itoa(o.sequence) + f.suffix
			// Appending, so that two programs of a job that write to it do not write over each other.
			fd, err := unix.Open(filepath.Join(o.dir, name), unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
			switch err {
			case nil:
				f.fd, f.name = fd, name
			case unix.EINTR, unix.EEXIST: // a worker before us may have had our process id
			default:
				return &os.PathError{Op: "open", Path: filepath.Join(o.dir, name), Err: err}
			}
		}
	}
	return nil
}

// collect takes what a job has written. alone says that nobody can write to the files any more, so that they may be used again.
func (o *outputs) collect(res *Result, alone bool) {
	if res.Problem == "" && o.full(res) {
		res.DiskFull = true
	}
	for _, x := range []struct {
		f   *file
		out *Output
	}{{&o.stdout, &res.Stdout}, {&o.stderr, &res.Stderr}} {
		if err := o.take(x.f, x.out, alone); err != nil && res.Problem == "" {
			res.Problem = err.Error()
			res.DiskFull = res.DiskFull || isFull(err)
		}
	}
}

func (o *outputs) take(f *file, out *Output, alone bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	out.Size = st.Size
	switch {
	case st.Size > inline:
		out.File = f.name
		out.Data = make([]byte, min(st.Size, int64(o.most)))
		n, err := readAll(f.fd, out.Data) // of a copy alone
		out.Data = out.Data[:n]
		out.Cut = err != nil || int64(n) < st.Size
		_ = unix.Close(f.fd)
		f.name = ""
		return nil
	case st.Size > 0:
		out.Data = make([]byte, st.Size)
		n, err := readAll(f.fd, out.Data)
		out.Data = out.Data[:n]
		if err != nil {
			o.drop(f)
			return os.NewSyscallError("pread", err)
		}
	}
	if !alone {
		o.drop(f)
		return nil
	}
	if st.Size > 0 {
		if err := unix.Ftruncate(f.fd, 0); err != nil {
			o.drop(f)
			return os.NewSyscallError("ftruncate", err)
		}
	}
	return nil
}

func readAll(fd int, b []byte) (n int, err error) {
	for n < len(b) {
		m, err := unix.Pread(fd, b[n:], int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, err
		case m == 0:
			return n, nil // somebody has made it shorter
		default:
			n += m
		}
	}
	return n, nil
}

// drop closes and removes a file; the next job gets another.
func (o *outputs) drop(f *file) {
	_ = unix.Close(f.fd)
	_ = unix.Unlink(filepath.Join(o.dir, f.name)) // the folder goes at the end
	f.name = ""
}

// discard forgets what an attempt has written.
func (o *outputs) discard(res *Result) {
	for _, out := range []*Output{&res.Stdout, &res.Stderr} {
		if out.File != "" {
			_ = os.Remove(filepath.Join(o.dir, out.File)) // the folder goes at the end
		}
	}
}

// full reports whether the disk is, so that the job's output may not be whole. It asks when the job has failed or has written much, and
// now and then otherwise: a disk that is full stays full for longer.
func (o *outputs) full(res *Result) bool {
	now := time.Now()
	if res.Succeeded() && now.Sub(o.looked) < roomEvery {
		var st unix.Stat_t
		if unix.Fstat(o.stdout.fd, &st) == nil && st.Size <= inline {
			return false
		}
	}
	o.looked = now
	var st unix.Statfs_t
	if unix.Fstatfs(o.stdout.fd, &st) != nil {
		return false
	}
	free := uint64(st.Bavail)
	if os.Geteuid() == 0 {
		free = st.Bfree
	}
	size := uint64(st.Bsize)
	return st.Blocks > 0 && free*size < min(leastRoom, st.Blocks*size/16)
}

// isFull reports whether an error says that a disk or a quota is full.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
