package oslock

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"yunta/oslock/mapped"
	"yunta/oslock/rundir"
)

// The registry is a folder, "members" in the run directory:
//
//	registry     mapped by every member: identity, and the table of slots
//	0000 .. 0fff empty files, one a slot; the slot's tenant flocks it (LOCK_EX) for life
//
// The kernel drops a flock when its process ends, however it ends, and nobody else can: that
// flock is the only truth about who lives.
//
// The file "registry", in the machine's byte order:
//
//	offset  size  meaning
//	0       8     "yuntamem", stored last
//	8       4     0x01020304
//	12      4     version of the format
//	16      16    random identity; lock files name it
//	32      16    the boot it was made in
//	48      4     slots ever used: all slots in use are below
//	64      16    slot 0: inode of its file (8), generation (4), process id (4), which is for people:
//	              it proves nothing, and is 0 where not known
//	...           slots 1 to 4095
//
// Rules that make this hold when somebody cleans up where he should not:
//   - A slot's inode is stored once, by the first tenant, and never changed. A file of the same
//     name with another inode proves nothing about the tenants, who may flock the removed one:
//     such a slot is neither taken nor judged any more.
//   - Generations live in the table, which every member has mapped, so they do not start
//     again when a slot's file does.
//   - Members open slot files through the folder they opened at the start. Where the whole folder was
//     removed, newcomers make another registry, with another identity, and are told apart by it.
//   - Members hold a shared flock on the folder, which systemd-tmpfiles respects.
const (
	registryName    = "registry"
	registryMagic   = "yuntamem"
	registryVersion = 1
	registryHeader  = 64
	entrySize       = 16
	registrySize    = registryHeader + slots*entrySize

	byteOrderMark = 0x01020304

	offHigh = 48

	// registryPatience bounds the wait for a process that is making the registry, which takes
	// well under a millisecond.
	registryPatience = 10 * time.Second
	// randomTries is how many used slots a newcomer tries before it opens a new one. The table so stays at
	// most half full or so, and a newcomer needs a few tries however many members live.
	randomTries = 4
	// registryTries is how often the folder is opened anew when somebody removes it meanwhile.
	registryTries = 16
)

// registryID tells a registry from every other there is or was.
type registryID [16]byte

func (id registryID) String() string { return hex.EncodeToString(id[:4]) }

// registry is a process's view of the registry it is a member of. All fields are fixed after joining.
type registry struct {
	path   string
	dir    int // the folder, open and flocked (LOCK_SH) for life
	region *mapped.Region
	id     registryID
	me     uint32 // this process's number
	keep   int    // the descriptor of our slot's file: what Life lends
}

// joinRegistry makes this process a member of the user's registry.
func joinRegistry() (*registry, error) {
	root, err := rundir.Root()
	if err != nil {
		return nil, fmt.Errorf("oslock: %w", err)
	}
	path := filepath.Join(root, "members")
	var r *registry
	for range registryTries {
		if r, err = openRegistry(path); err == nil {
			if err = mapped.Guard(r.join); err == nil {
				return r, nil
			}
			r.close()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, fmt.Errorf("oslock: member registry %s: %w", path, err)
}

// openRegistry opens the registry's folder and file, and makes both where they are missing. An
// error that wraps fs.ErrNotExist says that somebody removed the folder meanwhile.
func openRegistry(path string) (*registry, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	if kind, err := testHookNetworkFS(dir); err != nil || kind != "" {
		closeFD(dir)
		if err == nil {
			err = fmt.Errorf("%w: %s", ErrNetwork, kind)
		}
		return nil, err
	}
	r := &registry{path: path, dir: dir, keep: -1}
	// A hint to cleaners, no lock of ours: a refusal changes nothing.
	_, _ = tryFlockFD(dir, flockShared)
	if err := r.open(); err != nil {
		closeFD(dir)
		return nil, err
	}
	return r, nil
}

// open maps the registry's file, made or renewed under its flock.
func (r *registry) open() error {
	fd, err := openOrMake(r.dir, registryName, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), filepath.Join(r.path, registryName))
	defer f.Close()
	if err := waitFlockFD(fd, flockShared, registryPatience); err != nil {
		return err
	}
	ready, err := r.check(fd)
	if err == nil && !ready {
		// The shared flock is given up here for a moment; then whoever was first has done the work.
		if err = waitFlockFD(fd, flockExclusive, registryPatience); err == nil {
			if ready, err = r.check(fd); err == nil && !ready {
				err = r.build(f)
			}
		}
	}
	if err != nil {
		return err
	}
	// The mapping keeps the open file, which must not keep the flock with it.
	dropFlockFD(fd)
	r.region, err = mapped.Map(f, 0, registrySize)
	return err
}

// check reads the file's header. It is not ready when it is fresh, or its maker died over it, or it is of
// another boot: none of its members lives then.
func (r *registry) check(fd int) (ready bool, err error) {
	_, size, regular, err := identify(fd)
	if err != nil {
		return false, err
	}
	var h [registryHeader]byte
	if _, err := readAt(fd, h[:], 0); err != nil {
		return false, err
	}
	switch {
	case !regular:
		return false, ErrNotOurs
	case size == 0, size == registrySize && [8]byte(h[:8]) == [8]byte{}:
		return false, nil
	case string(h[:8]) != registryMagic, binary.NativeEndian.Uint32(h[8:]) != byteOrderMark:
		return false, ErrNotOurs
	case binary.NativeEndian.Uint32(h[12:]) != registryVersion:
		return false, fmt.Errorf("%w: %d, want %d", ErrVersion, binary.NativeEndian.Uint32(h[12:]), registryVersion)
	case size != registrySize:
		return false, fmt.Errorf("%w: %d bytes, want %d", ErrDamaged, size, registrySize)
	}
	r.id = registryID(h[16:32])
	boot := bootID()
	return bytes.Equal(h[32:48], boot[:]), nil
}

// build writes a new identity, under the exclusive flock. The slots' generations and files, if
// there are any, stay: they belong to nobody who lives.
func (r *registry) build(f *os.File) error {
	fd := int(f.Fd())
	if err := writeAt(fd, make([]byte, 8), 0); err != nil { // not ready, until the end
		return err
	}
	if err := setSize(fd, registrySize); err != nil {
		return err
	}
	if err := mapped.Reserve(f, 0, registrySize); err != nil {
		return err
	}
	step("registry reserved")
	var h [registryHeader]byte
	if _, err := readAt(fd, h[:], 0); err != nil {
		return err
	}
	rand.Read(r.id[:])
	boot := bootID()
	binary.NativeEndian.PutUint32(h[8:], byteOrderMark)
	binary.NativeEndian.PutUint32(h[12:], registryVersion)
	copy(h[16:], r.id[:])
	copy(h[32:], boot[:])
	if err := writeAt(fd, h[8:], 8); err != nil {
		return err
	}
	step("registry written")
	return writeAt(fd, []byte(registryMagic), 0)
}

// bootID is the machine's name for this boot, as 16 bytes; zero where there is none.
func bootID() (id [16]byte) {
	// A name that is no UUID gives what it gives, the same all through this boot.
	_, _ = hex.Decode(id[:], []byte(strings.ReplaceAll(strings.TrimSpace(testHookBootName()), "-", "")))
	return id
}

// testHookBootName lets a test pretend another boot.
var testHookBootName = bootName

// close undoes openRegistry. A member never does this.
func (r *registry) close() {
	_ = r.region.Unmap()
	closeFD(r.dir)
}

func (r *registry) high() *atomic.Uint32 { return r.region.Uint32(offHigh) }

func (r *registry) inode(slot int) *atomic.Uint64 {
	return r.region.Uint64(registryHeader + slot*entrySize)
}

func (r *registry) gen(slot int) *atomic.Uint32 {
	return r.region.Uint32(registryHeader + slot*entrySize + 8)
}

func (r *registry) process(slot int) *atomic.Uint32 {
	return r.region.Uint32(registryHeader + slot*entrySize + 12)
}

// pid returns the process id of a member in its own PID namespace, 0 if the number is nobody's or is not known any more.
func (r *registry) pid(number uint32) int {
	slot := slotOf(number)
	pid := r.process(slot).Load()
	if number == 0 || r.gen(slot).Load()&genMask != genOf(number) {
		return 0
	}
	return int(int32(pid))
}

func slotName(slot int) string { return fmt.Sprintf("%04x", slot) }

// join takes a slot: one of those used before if a few tries find it free, else a new one.
func (r *registry) join() error {
	for range slots {
		high := int(min(r.high().Load(), slots))
		for range min(randomTries, high) {
			if ok, err := r.take(mathrand.IntN(high)); ok || err != nil {
				return err
			}
		}
		if high == slots {
			break
		}
		r.high().CompareAndSwap(uint32(high), uint32(high)+1)
		if ok, err := r.take(high); ok || err != nil {
			return err
		}
	}
	for slot := range slots {
		if ok, err := r.take(slot); ok || err != nil {
			return err
		}
	}
	return ErrTooManyMembers
}

// take tries to become the tenant of a slot.
func (r *registry) take(slot int) (bool, error) {
	fd, err := openOrMake(r.dir, slotName(slot), 0o600)
	if err != nil {
		return false, err
	}
	ok, err := tryFlockFD(fd, flockExclusive)
	if !ok || err != nil {
		closeFD(fd)
		return false, err
	}
	step("slot flocked")
	if ok, err = r.sameFile(fd, slot); !ok || err != nil {
		closeFD(fd)
		return false, err
	}
	if err = holdFlock(fd); err != nil {
		closeFD(fd)
		return false, err
	}
	r.keep = fd
	// Only the tenant writes the generation. Until it does, the tenant before looks alive, which delays
	// those who would take its locks and harms nobody.
	gen := nextGen(r.gen(slot).Load() & genMask)
	r.process(slot).Store(0) // so that who reads it before the generation never gets another tenant's
	r.gen(slot).Store(gen)
	r.process(slot).Store(uint32(os.Getpid()))
	r.me = numberFor(slot, gen)
	return true, nil
}

// sameFile reports whether fd is the file by which the slot's tenants have always been known. The first
// tenant makes it that.
func (r *registry) sameFile(fd, slot int) (bool, error) {
	id, _, regular, err := identify(fd)
	if err != nil || !regular {
		return false, err
	}
	// The file we flocked may have been removed before we did, and a second first tenant be about to
	// store another inode: only one of the two stores.
	named, err := identifyAt(r.dir, slotName(slot))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || named != id {
		return false, err
	}
	return r.inode(slot).CompareAndSwap(0, id.ino) || r.inode(slot).Load() == id.ino, nil
}

// judge says what is known about a member. With dead comes a descriptor, or -1: it holds a shared
// flock that keeps the slot from getting a new tenant, and so the number from being used
// again, until whoever asked has taken what the dead one had and closes it.
func (r *registry) judge(number uint32) (v verdict, fd int) {
	slot, gen := slotOf(number), genOf(number)
	fd, err := openToTest(r.dir, slotName(slot))
	if errors.Is(err, fs.ErrNotExist) {
		return lostMember, -1
	}
	if err != nil {
		return notDead, -1 // out of descriptors, say: no proof of anything
	}
	id, _, _, err := identify(fd)
	if err != nil || id.ino != r.inode(slot).Load() {
		closeFD(fd)
		return lostMember, -1
	}
	ok, err := tryFlockFD(fd, flockShared)
	now := r.gen(slot).Load()
	switch {
	case err == nil && ok && (now == gen || newerGen(now, gen)):
		return dead, fd
	case err == nil && !ok && newerGen(now, gen):
		closeFD(fd)
		return dead, -1 // the slot's tenant came later
	}
	closeFD(fd)
	return notDead, -1
}

// release closes what judge returned.
func release(fd int) {
	if fd >= 0 {
		closeFD(fd)
	}
}
