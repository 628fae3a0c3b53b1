package oslock

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// runDir returns a run directory of its own for actors, and the folder of its registry.
func runDir(t testing.TB) (env, members string) {
	t.Helper()
	base := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "yt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "YUNTA_DIR=" + dir, filepath.Join(dir, "members")
}

func (p *process) member() uint32 {
	p.t.Helper()
	n, err := strconv.Atoi(p.ask("member"))
	if err != nil {
		p.t.Fatal(err)
	}
	return uint32(n)
}

// look opens a registry as its members do, without becoming one.
func look(t testing.TB, members string) *registry {
	t.Helper()
	r, err := openRegistry(members)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

func wantVerdict(t testing.TB, r *registry, number uint32, want verdict) {
	t.Helper()
	v, fd := r.judge(number)
	release(fd)
	if v != want {
		t.Errorf("member %#x is judged %d, want %d", number, v, want)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	env, members := runDir(t)
	p := act(t, env)
	n := p.member()
	r := look(t, members)
	wantVerdict(t, r, n, notDead)
	wantVerdict(t, r, numberFor(slotOf(n), genMask&(genOf(n)-1)), dead)    // the slot's tenant came later
	wantVerdict(t, r, numberFor(slotOf(n), genMask&(genOf(n)+1)), notDead) // not yet known
	wantVerdict(t, r, numberFor(4000, 1), lostMember)
	p.kill()
	v, proof := r.judge(n)
	if v != dead || proof < 0 {
		t.Fatalf("a killed member is judged %d, with proof %d", v, proof)
	}
	// While somebody keeps the proof, the number is not given away.
	for range 3 {
		if m := act(t, env).member(); slotOf(m) == slotOf(n) {
			t.Errorf("slot %d has a new tenant while its death is being proven", slotOf(n))
		}
	}
	release(proof)
}

func TestSlotsAreUsedAgain(t *testing.T) {
	t.Parallel()
	env, members := runDir(t)
	seen := map[uint32]bool{}
	for range 30 {
		p := act(t, env)
		n := p.member()
		if seen[n] {
			t.Errorf("number %#x was given twice", n)
		}
		seen[n] = true
		p.kill()
	}
	if high := look(t, members).high().Load(); high > 4 {
		t.Errorf("30 members one after another used %d slots", high)
	}
}

func TestJoinAtOnce(t *testing.T) {
	t.Parallel()
	env, members := runDir(t)
	var ps []*process
	for range 20 {
		p := act(t, env)
		p.send("member") // all at once, the first of them make the registry
		ps = append(ps, p)
	}
	seen := map[string]bool{}
	for _, p := range ps {
		seen[p.line()] = true
	}
	if len(seen) != len(ps) {
		t.Errorf("%d living members have %d numbers", len(ps), len(seen))
	}
	r := look(t, members)
	for n := range seen {
		number, _ := strconv.Atoi(n)
		wantVerdict(t, r, uint32(number), notDead)
	}
}

func TestJoinTime(t *testing.T) {
	env, _ := runDir(t)
	least := 0
	for range 20 {
		n, err := strconv.Atoi(act(t, env).ask("jointime"))
		if err != nil {
			t.Fatal(err)
		}
		if least == 0 || n < least {
			least = n
		}
	}
	t.Logf("the quickest of 20 joined in %d us", least/1000)
}

// A process killed while it makes the registry, or joins it, leaves no trouble to the next.
func TestKilledJoining(t *testing.T) {
	t.Parallel()
	env, members := runDir(t)
	for _, step := range []string{"registry reserved", "registry written", "slot flocked"} {
		p := act(t, env)
		p.do("dieat "+step, "ok")
		p.send("member")
		if p.wait() == nil {
			t.Errorf("step %q was not reached", step)
		}
	}
	p := act(t, env)
	wantVerdict(t, look(t, members), p.member(), notDead)
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	if g := nextGen(genMask); g != 1 {
		t.Errorf("the generation after the last is %d, want 1", g)
	}
	for _, row := range []struct {
		a, b uint32
		want bool
	}{{2, 1, true}, {1, 2, false}, {1, 1, false}, {1, genMask, true}, {genMask, 1, false}, {1 << 16, 1, true}} {
		if got := newerGen(row.a, row.b); got != row.want {
			t.Errorf("newerGen(%d, %d) = %v", row.a, row.b, got)
		}
	}
	if n := numberFor(slots-1, genMask); n != numberMask || slotOf(n) != slots-1 || genOf(n) != genMask {
		t.Errorf("the last number is %#x, slot %d, generation %d", n, slotOf(n), genOf(n))
	}
}

// Cleaners remove a slot's file, all files, or the folder. Nobody may be taken for dead by that; a
// lock is passed on as before, and where its owner cannot be judged the waiter hears so.
func TestRegistryCleaned(t *testing.T) {
	t.Parallel()
	clean := map[string]func(members string, slot int) error{
		"slot": func(members string, slot int) error { return os.Remove(filepath.Join(members, slotName(slot))) },
		"slot made again": func(members string, slot int) error {
			name := filepath.Join(members, slotName(slot))
			return errors.Join(os.Remove(name), os.WriteFile(name, nil, 0o600))
		},
		"registry": func(members string, _ int) error { return os.Remove(filepath.Join(members, registryName)) },
		"folder":   func(members string, _ int) error { return os.RemoveAll(members) },
		"folder moved": func(members string, _ int) error {
			return os.Rename(members, members+".old")
		},
	}
	for name, clean := range clean {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, members := runDir(t)
			path := tempPath(t)
			owner, waiter := act(t, env), act(t, env)
			for _, p := range []*process{owner, waiter} {
				p.do("open "+path, "ok")
				p.do("impatient 50ms", "ok")
			}
			owner.do("lock", "ok")
			if err := clean(members, slotOf(owner.member())); err != nil {
				t.Fatal(err)
			}
			waiter.do("lock 20ms", "timeout") // before its patience ends
			// Newcomers, who may find an empty registry, must not get what the owner has.
			newcomer := act(t, env)
			if got := newcomer.ask("open " + path); got == "ok" {
				newcomer.do("lock 20ms", "timeout")
			} else if got != "registry" {
				t.Errorf("a newcomer's open: %s, want ok or registry", got)
			}
			owner.do("unlock", "ok")
			waiter.do("lock", "ok")
			waiter.do("unlock", "ok")

			// An owner that dies after the cleaning: waiting ends, with a clear error or with the lock.
			owner.do("lock", "ok")
			owner.kill()
			if got := waiter.ask("lock"); got != "lost" && got != "died" {
				t.Errorf("the lock of the dead after the cleaning: %s, want lost or died", got)
			}
		})
	}
}

// The same for permits.
func TestRegistryCleanedPermits(t *testing.T) {
	t.Parallel()
	env, members := runDir(t)
	path := tempPath(t)
	taker, waiter := act(t, env), act(t, env)
	for _, p := range []*process{taker, waiter} {
		p.do("sem "+path+" 1 undo", "ok")
		p.do("impatient 1s", "ok")
	}
	taker.do("acquire", "ok")
	if err := os.RemoveAll(members); err != nil {
		t.Fatal(err)
	}
	waiter.do("acquire 20ms", "timeout")
	waiter.do("value", "0")
	act(t, env).do("sem "+path+" 1 undo", "registry")
	waiter.do("acquire", "lost")
	taker.do("release 1", "ok")
	waiter.do("acquire", "ok")
}

// A cleaner that asks by flock, as systemd-tmpfiles does, is told that the folder is in use.
func TestRegistryFolderFlocked(t *testing.T) {
	t.Parallel()
	env, members := runDir(t)
	p := act(t, env)
	p.member()
	fd, err := openFolder(members)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	if ok, err := tryFlockFD(fd, flockExclusive); ok || err != nil {
		t.Errorf("the folder of a living member could be flocked: %v, %v", ok, err)
	}
	p.kill()
	eventually(t, "the folder is free", func() bool {
		ok, err := tryFlockFD(fd, flockExclusive)
		return ok && err == nil
	})
}

func TestRegistryNotOurs(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		content []byte
		want    error
	}{
		"text":      {[]byte("something of the user's own\n"), ErrNotOurs},
		"truncated": {[]byte(registryMagic + "\x04\x03\x02\x01\x01\x00\x00\x00"), ErrDamaged},
		"version":   {append(binary.NativeEndian.AppendUint32([]byte(registryMagic), byteOrderMark), 9, 9, 9, 9), ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			_, members := runDir(t)
			if err := os.Mkdir(members, 0o700); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(members, registryName)
			if err := os.WriteFile(file, row.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "truncated" && byteOrderMark != binary.NativeEndian.Uint32(row.content[8:]) {
				t.Skip("written for little endian")
			}
			_, err := openRegistry(members)
			wantError(t, "openRegistry", err, row.want)
			if got, _ := os.ReadFile(file); string(got) != string(row.content) {
				t.Error("the file was changed")
			}
		})
	}
}

// All slots taken is an error, and one that falls free is found.
func TestTooManyMembers(t *testing.T) {
	t.Parallel()
	_, members := runDir(t)
	r := look(t, members)
	r.high().Store(slots)
	for slot := range slots {
		if slot != 1234 {
			r.inode(slot).Store(1) // as if somebody had removed and made again their files
		}
	}
	if err := r.join(); err != nil {
		t.Fatal(err)
	}
	if got := slotOf(r.me); got != 1234 {
		t.Errorf("joined in slot %d, want 1234, the only free one", got)
	}
	again := look(t, members)
	wantError(t, "join", again.join(), ErrTooManyMembers)
}
