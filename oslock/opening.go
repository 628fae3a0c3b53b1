package oslock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"yunta/oslock/mapped"
)

// errAgain says that an attempt got the file a step further.
var errAgain = errors.New("again")

// opening is one attempt after another to open one file.
type opening struct {
	path  string
	want  header
	mode  fs.FileMode
	reg   *registry
	start time.Time
}

// try opens the file once. No file and no error mean: again.
//
// Whoever has a file open holds LOCK_SH on it. Whoever makes it, or binds it to another registry,
// holds LOCK_EX, and so is alone. A file without its magic is nobody's yet, so that a maker may die at any
// point; and since the file may be removed and made again at any moment, it counts only if the
// name still leads to it when the flock is held.
func (o *opening) try() (_ *sharedFile, err error) {
	// Not with O_CREAT at once: in a sticky folder Linux refuses that for another user's file
	// (sysctl fs.protected_regular, Linux 4.19).
	fd, err := openThere(workingFolder, o.path)
	if errors.Is(err, fs.ErrNotExist) && !o.want.mustExist {
		fd, err = openOrMake(workingFolder, o.path, uint32(o.mode.Perm()))
	}
	if err != nil {
		if cannotBeOurs(err) {
			err = fmt.Errorf("%w: %w", ErrNotOurs, err)
		}
		return nil, err
	}
	file := os.NewFile(uintptr(fd), o.path)
	keep := false
	defer func() {
		if !keep {
			dropFlockFD(fd)
			file.Close()
		}
	}()
	id, _, regular, err := identify(fd)
	if err != nil {
		return nil, err
	}
	if !regular {
		return nil, fmt.Errorf("%w: not a regular file", ErrNotOurs)
	}
	if f := table.files[id]; f != nil {
		return o.again(f)
	}
	if kind, err := testHookNetworkFS(fd); err != nil || kind != "" {
		if err == nil {
			err = fmt.Errorf("%w: %s", ErrNetwork, kind)
		}
		return nil, err
	}
	if ok, err := tryFlockFD(fd, flockShared); err != nil || !ok {
		return nil, o.busy(err)
	}
	have, ready, err := o.check(fd)
	if err != nil {
		return nil, err
	}
	if !ready {
		return nil, o.prepare(file, id)
	}
	step("file flocked")
	if named, err := identifyAt(workingFolder, o.path); err != nil || named != id {
		return nil, o.replaced(err)
	}
	f, err := o.enroll(file, id, have)
	keep = f != nil
	return f, err
}

// again hands out a file that this process has open already.
func (o *opening) again(f *sharedFile) (*sharedFile, error) {
	if err := o.match(f.head); err != nil {
		return nil, err
	}
	if named, err := identifyAt(workingFolder, o.path); err != nil || named != f.id {
		return nil, o.replaced(err)
	}
	f.refs++
	f.orphan.Store(false)
	return f, nil
}

// replaced answers a name that no longer leads to the file just opened.
func (o *opening) replaced(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return o.busy(nil)
	}
	return err
}

// busy answers what should pass in a moment: with err if there is one, with nothing for another
// try, with ErrBusy when the moment has been long.
func (o *opening) busy(err error) error {
	if err == nil && time.Since(o.start) > testHookBusyPatience {
		return ErrBusy
	}
	return err
}

// testHookBusyPatience and testHookNetworkFS let tests be impatient and pretend file systems.
var (
	testHookBusyPatience = busyPatience
	testHookNetworkFS    = networkFS
)

// check reads the header. Not ready means that the file is to be made, or to be bound to our registry.
func (o *opening) check(fd int) (have header, ready bool, err error) {
	_, size, _, err := identify(fd)
	if err != nil {
		return header{}, false, err
	}
	b := make([]byte, headerSize)
	n, err := readAt(fd, b, 0)
	if err != nil {
		return header{}, false, err
	}
	if o.want.unfinished(b[:n], size) {
		return header{}, false, nil
	}
	if have, err = decodeHeader(b[:n], size); err != nil {
		return header{}, false, err
	}
	if err := o.match(have); err != nil {
		return header{}, false, err
	}
	return have, have.id == o.want.id, nil
}

func (o *opening) match(have header) error {
	if have.kind != o.want.kind || have.bounded != o.want.bounded ||
		have.kind == kindBarrier && have.initial != o.want.initial {
		return fmt.Errorf("%w: a %v, want a %v", ErrMismatch, &have, &o.want)
	}
	return nil
}

// prepare makes the file, or binds it to our registry. Nobody else has it open then.
func (o *opening) prepare(file *os.File, id fileID) error {
	fd := int(file.Fd())
	dropFlockFD(fd)
	alone, err := tryFlockFD(fd, flockExclusive)
	if err != nil {
		return err
	}
	// What was seen before may have changed while no flock was held.
	have, ready, err := o.check(fd)
	switch {
	case err != nil:
		return err
	case ready:
		return errAgain
	case !alone && have.kind == 0: // somebody is making it
		return o.busy(nil)
	case !alone:
		if time.Since(o.start) > bindPatience {
			return fmt.Errorf("%w: theirs is %v, ours %v", ErrOtherRegistry, have.id, o.want.id)
		}
		return nil
	}
	step("file ours alone")
	if named, err := identifyAt(workingFolder, o.path); err != nil || named != id {
		return o.replaced(err)
	}
	if have.kind == 0 && o.want.mustExist {
		return fs.ErrNotExist // what a dead maker left is none yet
	}
	if have.kind == 0 {
		err = o.build(file)
	} else {
		err = o.bind(fd, have)
	}
	if err == nil {
		err = errAgain
	}
	return err
}

// build makes an empty or unfinished file a whole one: real blocks first, so that no store to
// it can fail later; the word; the header; the magic.
func (o *opening) build(file *os.File) error {
	fd := int(file.Fd())
	if err := setSize(fd, int64(o.want.size())); err != nil {
		return err
	}
	if err := mapped.Reserve(file, 0, int64(o.want.size())); err != nil {
		return err
	}
	step("file reserved")
	if err := o.writeWord(fd); err != nil {
		return err
	}
	step("word written")
	b := o.want.encode()
	if err := writeAt(fd, b[8:], 8); err != nil {
		return err
	}
	step("header written")
	return writeAt(fd, b[:8], 0)
}

// writeWord writes the first state of a new file, or of a semaphore whose takers are all dead.
func (o *opening) writeWord(fd int) error {
	b := make([]byte, 8)
	o.want.putWord(b)
	return writeAt(fd, b, offWord)
}

// bind makes a file ours whose registry's members are all gone from it: they would hold its
// flock. Whatever it says that they own, they have died owning. It may be killed at any point and done
// again: the identity comes last.
func (o *opening) bind(fd int, have header) error {
	switch have.kind {
	case kindLock:
		if err := disown(fd); err != nil {
			return err
		}
	case kindRW:
		if err := disownRW(fd); err != nil {
			return err
		}
	case kindCondition: // nobody waits
		if err := writeAt(fd, make([]byte, conditionSize-offWord), offWord); err != nil {
			return err
		}
	case kindBarrier:
		if err := abandon(fd, have); err != nil {
			return err
		}
	case kindUndo:
		// What the members took and the value add up to the initial value, always.
		if err := writeAt(fd, make([]byte, undoSize-offRows), offRows); err != nil {
			return err
		}
		o.want.initial = have.initial
		if err := o.writeWord(fd); err != nil {
			return err
		}
	}
	step("owners removed")
	return writeAt(fd, o.want.id[:], offID)
}
