package oslock

import (
	"testing"
	"time"
)

func TestIfDead(t *testing.T) {
	t.Parallel()
	me, err := Self()
	if err != nil || me == 0 || me&^uint32(numberMask) != 0 {
		t.Fatalf("Self = %#x, %v", me, err)
	}
	if again, err := Self(); again != me || err != nil {
		t.Errorf("Self = %#x, then %#x, %v", me, again, err)
	}
	refused := func() { t.Error("called") }
	for _, n := range []uint32{0, me, 1 << numberBits, ^uint32(0)} {
		if ok, err := IfDead(n, refused); ok || err != nil {
			t.Errorf("IfDead(%#x) = %v, %v", n, ok, err)
		}
	}
	path := tempPath(t)
	l, p := openLock(t, path, LockOptions{}), act(t)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	number := ownerOf(l.h.file.Load().word.Load())
	if ok, err := IfDead(number, refused); ok || err != nil {
		t.Errorf("IfDead of the living = %v, %v", ok, err)
	}
	p.kill()
	called := false
	for end := time.Now().Add(hangTime); !called && time.Now().Before(end); time.Sleep(time.Millisecond) {
		ok, err := IfDead(number, func() { called = true })
		if ok != called || err != nil {
			t.Fatalf("IfDead of the dead = %v, %v", ok, err)
		}
	}
	if !called {
		t.Error("a killed process never counted as dead")
	}
}
