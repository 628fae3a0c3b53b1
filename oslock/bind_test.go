package oslock

import (
	"encoding/binary"
	"os"
	"syscall"
	"testing"
)

// A file belongs to the registry whose members' numbers stand in it. Here another run directory plays another
// user, and another boot the morning after.
func TestOtherRegistry(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	envA, _ := runDir(t)
	envB, _ := runDir(t)
	a, b := act(t, envA), act(t, envB)
	a.do("open "+path, "ok")
	b.do("open "+path, "registry") // in use, though nobody owns it
	a.do("lock", "ok")
	b.do("open "+path, "registry")
	a.do("unlock", "ok")
	a.do("close", "ok")
	b.do("open "+path, "ok") // alone: bound to B
	b.do("lock", "ok")
	b.do("unlock", "ok")
	a.do("open "+path, "registry")
	b.kill()
	a.do("open "+path, "ok")
	a.do("lock", "ok") // nobody died owning it
	a.kill()

	b = act(t, envB)
	b.do("open "+path, "ok")
	b.do("lock", "died")
	b.do("repaired", "ok")
	b.do("unlock", "ok")
}

func TestOtherRegistryUnrepaired(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	envA, _ := runDir(t)
	envB, _ := runDir(t)
	a := act(t, envA)
	a.do("open "+path, "ok")
	a.do("lock", "ok")
	a.kill()
	for range 2 { // who is told and does not repair leaves it so, across registries too
		b := act(t, envB)
		b.do("open "+path, "ok")
		b.do("lock", "died")
		b.do("unlock", "ok")
		b.kill()
		envA, envB = envB, envA
	}
}

func TestOtherRegistryPermits(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	envA, _ := runDir(t)
	envB, _ := runDir(t)
	a, b := act(t, envA), act(t, envB)
	a.do("sem "+path+" 3 undo", "ok")
	a.do("acquire", "ok")
	a.do("acquire", "ok")
	b.do("sem "+path+" 3 undo", "registry")
	a.kill()
	b.do("sem "+path+" 3 undo", "ok")
	b.do("value", "3")
	b.do("acquire", "ok")
	b.do("release 1", "ok")

	// One without undo names nobody, and is for everybody.
	path = tempPath(t)
	a = act(t, envA)
	a.do("sem "+path+" 1", "ok")
	b.do("sem "+path+" 1", "ok")
	a.do("acquire", "ok")
	b.do("value", "0")
	b.do("release 1", "ok")
	a.do("value", "1")
}

// Killed over the binding, at each step: the next does it all again.
func TestKilledBinding(t *testing.T) {
	t.Parallel()
	for _, undo := range []bool{false, true} {
		path := tempPath(t)
		open, take := "open "+path, "lock"
		if undo {
			open, take = "sem "+path+" 2 undo", "acquire"
		}
		envA, _ := runDir(t)
		envB, _ := runDir(t)
		a := act(t, envA)
		a.do(open, "ok")
		a.do(take, "ok")
		a.kill()
		b := act(t, envB)
		b.do("dieat owners removed", "ok")
		b.send(open)
		if err := b.wait(); !diedBy(err, syscall.SIGKILL) {
			t.Fatal(err)
		}
		b = act(t, envB)
		b.do(open, "ok")
		if undo {
			b.do("value", "2")
		} else {
			b.do("lock", "died")
		}
	}
}

// After a restart of the machine the same registry is another one: files that survived name the old one.
func TestReboot(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	env, _ := runDir(t)
	const before, after = "YUNTA_OSLOCK_BOOT=00000000-0000-0000-0000-000000000001", "YUNTA_OSLOCK_BOOT=00000000-0000-0000-0000-000000000002"
	p := act(t, env, before)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	p.kill()
	// Another process now gets the number that the dead owner had, or a later one of its slot.
	p = act(t, env, after)
	p.do("open "+path, "ok")
	p.do("lock", "died")
	p.do("repaired", "ok")
	p.do("unlock", "ok")
	q := act(t, env, after)
	q.do("open "+path, "ok") // the same boot, the same registry
	p.do("lock", "ok")
	q.do("try", "false")
}

// A number so old that its generation has come round to us is not ours.
func TestStaleNumber(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	l := openLock(t, path, LockOptions{})
	me := l.h.file.Load().me
	l.Close()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := writeAt(int(f.Fd()), wordBytes(me), offWord); err != nil {
		t.Fatal(err)
	}
	l = openLock(t, path, LockOptions{})
	wantError(t, "Unlock", l.Unlock(), ErrNotOwner)
	wantError(t, "Lock", l.Lock(soon(t)), ErrOwnerDied)
	mustUnlock(t, l)
}

func wordBytes(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
