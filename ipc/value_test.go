package ipc

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"sync"
	"testing"

	"yunta/oslock"
)

type point struct {
	X, Y int64
	Tag  [3]uint8
}

var _ = addHelper("value", func(args []string) {
	h := Handle{File: args[0], Lock: args[1]}
	ctx := context.Background()
	v, err := OpenValue[point](h)
	if err != nil {
		panic(err)
	}
	conversation(func(w []string) string {
		switch w[0] {
		case "add":
			n, _ := strconv.Atoi(w[1])
			for range n {
				if err := v.Update(ctx, func(p *point) error { p.X++; p.Y--; return nil }); err != nil {
					return said(err)
				}
			}
		case "die":
			v.Update(ctx, func(p *point) error { p.X++; killSelf(); return nil })
		case "close":
			return said(v.Close())
		}
		return "ok"
	})
})

func TestValue(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	v, err := NewValue(point{X: 1, Tag: [3]uint8{1, 2, 3}}, ValueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if got, err := v.Load(ctx); err != nil || got != (point{X: 1, Tag: [3]uint8{1, 2, 3}}) {
		t.Errorf("%v, %v", got, err)
	}
	w, err := OpenValue[point](v.Handle())
	if err != nil {
		t.Fatal(err)
	}
	h := v.Handle()
	a, b := startOther(t, "value", h.File, h.Lock), startOther(t, "value", h.File, h.Lock)
	const n = 2000
	a.in.Write([]byte("add 2000\n"))
	b.in.Write([]byte("add 2000\n"))
	var wg sync.WaitGroup
	for _, x := range []*Value[point]{v, w} {
		wg.Go(func() {
			for range n {
				if err := x.Update(ctx, func(p *point) error { p.X++; p.Y--; return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantSaid(t, a.hear(), "ok")
	wantSaid(t, b.hear(), "ok")
	if got, err := w.Load(ctx); err != nil || got.X != 1+4*n || got.Y != -4*n {
		t.Errorf("%v, %v", got, err)
	}
	boom := errors.New("boom")
	if err := v.Update(ctx, func(p *point) error { return boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
	if _, err := OpenValue[int64](h); !errors.Is(err, ErrLayout) {
		t.Errorf("opened as another type: %v", err)
	}
	if _, err := OpenArray[point](h); !errors.Is(err, ErrLayout) {
		t.Errorf("opened as an array: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if _, err := v.Load(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("loaded after Close: %v", err)
	}
	if err := w.Store(ctx, point{X: 5}); err != nil {
		t.Errorf("another handle after the maker's Close: %v", err)
	}
	if _, err := OpenValue[point](h); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened after the maker's Close: %v", err)
	}
	if err := errors.Join(w.Close(), w.Close(), v.Close()); err != nil {
		t.Error(err)
	}
}

func TestValueOwnerDies(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	v, err := NewValue(point{}, ValueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	h := v.Handle()
	die := func() {
		p := startOther(t, "value", h.File, h.Lock)
		p.in.Write([]byte("die\n"))
		p.cmd.Wait()
	}
	die()
	for range 2 {
		if _, err := v.Load(ctx); !errors.Is(err, oslock.ErrOwnerDied) {
			t.Errorf("loaded half an update: %v", err)
		}
	}
	if err := v.Update(ctx, func(*point) error { t.Error("updated"); return nil }); !errors.Is(err, oslock.ErrOwnerDied) {
		t.Error(err)
	}
	boom := errors.New("boom")
	if err := v.Repair(ctx, func(*point) error { return boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
	if err := v.Repair(ctx, func(p *point) error { p.Y = -p.X; return nil }); err != nil {
		t.Error(err)
	}
	if got, err := v.Load(ctx); err != nil || got.X != 1 || got.Y != -1 {
		t.Errorf("%v, %v", got, err)
	}
	die()
	if err := v.Store(ctx, point{X: 9}); err != nil {
		t.Error(err)
	}
	if got, err := v.Load(ctx); err != nil || got.X != 9 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestValueLocks(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	l, err := oslock.OpenLock(uniqueName(t), oslock.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer oslock.Unlink(l.File())
	defer l.Close()
	name := uniqueName(t)
	v, err := NewValue(1.5, ValueOptions{Lock: l, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	raw, err := NewValue(2.5, ValueOptions{NoLock: true})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if h := raw.Handle(); h.Lock != "" {
		t.Errorf("a raw value has the lock %q", h.Lock)
	}
	w, err := OpenValue[float64](v.Handle())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := l.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, x := range []*Value[float64]{v, w} {
		if _, err := x.Load(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("loaded under another's lock: %v", err)
		}
	}
	if got, err := raw.Load(ended); err != nil || got != 2.5 {
		t.Errorf("%v, %v", got, err)
	}
	l.Unlock()
	if got, err := w.Load(ctx); err != nil || got != 1.5 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := OpenValue[float64](Handle{File: name}); !errors.Is(err, oslock.ErrName) {
		t.Errorf("opened by name, without its lock: %v", err)
	}
	if _, err := NewValue(1, ValueOptions{Lock: l, NoLock: true}); err == nil {
		t.Error("NoLock with a lock")
	}
	named, err := NewValue(int32(7), ValueOptions{Name: name + "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	if _, err := NewValue(int32(7), ValueOptions{Name: name + "x"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
	again, err := OpenValue[int32](Handle{File: name + "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Load(ctx); err != nil || got != 7 {
		t.Errorf("%v, %v", got, err)
	}
	again.Close()
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	type bad struct {
		A int
		B struct{ C []int }
	}
	refused := map[string]func() error{
		"pointer":   func() error { _, err := NewValue((*int)(nil), ValueOptions{}); return err },
		"string":    func() error { _, err := NewValue("", ValueOptions{}); return err },
		"map":       func() error { _, err := NewValue(map[int]int{}, ValueOptions{}); return err },
		"interface": func() error { _, err := NewValue[any](nil, ValueOptions{}); return err },
		"uintptr":   func() error { _, err := NewValue(uintptr(1), ValueOptions{}); return err },
		"nothing":   func() error { _, err := NewValue(struct{}{}, ValueOptions{}); return err },
		"func":      func() error { _, err := NewArray[[2]func()](1, ValueOptions{}); return err },
		"field":     func() error { _, err := NewArray[bad](1, ValueOptions{}); return err },
		"open":      func() error { _, err := OpenValue[bad](Handle{}); return err },
	}
	for name, f := range refused {
		if err := f(); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v", name, err)
		} else if name == "field" && err.Error() != "ipc: not the layout of a shared value: ipc.bad.B.C is a slice" {
			t.Error(err)
		}
	}
}

func TestAtomic(t *testing.T) {
	t.Parallel()
	v, err := NewValue(int32(-1), ValueOptions{NoLock: true})
	if err != nil {
		t.Fatal(err)
	}
	a := AtomicOf(v)
	if got := a.Add(-2); got != -3 {
		t.Errorf("Add = %d", got)
	}
	if a.CompareAndSwap(1, 2) || !a.CompareAndSwap(-3, 4) || a.Load() != 4 {
		t.Errorf("now %d", a.Load())
	}
	a.Store(-5)
	if got, err := v.Load(t.Context()); err != nil || got != -5 {
		t.Errorf("%v, %v", got, err)
	}
	arr, err := NewArray[uint64](3, ValueOptions{NoLock: true})
	if err != nil {
		t.Fatal(err)
	}
	defer arr.Close()
	other, err := OpenArray[uint64](arr.Handle())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var wg sync.WaitGroup
	for _, x := range []*Array[uint64]{arr, other} {
		wg.Go(func() {
			for range 1000 {
				AtomicAt(x, 2).Add(1 << 40)
			}
		})
	}
	wg.Wait()
	if got, err := arr.Slice(t.Context(), 0, 3); err != nil || got[2] != 2000<<40 || got[1] != 0 {
		t.Errorf("%v, %v", got, err)
	}
	v.Close()
	defer func() {
		if recover() == nil {
			t.Error("used after Close")
		}
	}()
	a.Add(1)
}

func TestArray(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	a, err := NewArrayOf([]int16{5, 6, 7, 8}, ValueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := OpenArray[int16](a.Handle())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := errors.Join(a.Set(ctx, 0, 1), a.SetSlice(ctx, 2, []int16{3, 4})); err != nil {
		t.Error(err)
	}
	if got, err := b.At(ctx, 3); err != nil || got != 4 || b.Len() != 4 {
		t.Errorf("%v, %v", got, err)
	}
	err = b.Update(ctx, func(s []int16) error {
		for i := 1; i < len(s); i++ {
			s[i] += s[i-1]
		}
		return nil
	})
	if got, err2 := a.Slice(ctx, 1, 4); err != nil || err2 != nil || got[0] != 7 || got[1] != 10 || got[2] != 14 {
		t.Errorf("%v, %v, %v", got, err, err2)
	}
	for name, f := range map[string]func(){
		"At":       func() { a.At(ctx, 4) },
		"Set":      func() { a.Set(ctx, -1, 0) },
		"Slice":    func() { a.Slice(ctx, 3, 2) },
		"SetSlice": func() { a.SetSlice(ctx, 3, []int16{1, 2}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s out of range did not panic", name)
				}
			}()
			f()
		}()
	}
	if _, err := NewArray[int](-1, ValueOptions{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("of -1: %v", err)
	}
	if _, err := NewArray[[1 << 20]int](1<<50, ValueOptions{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("of too many: %v", err)
	}
	none, err := NewArray[int](0, ValueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := none.Slice(ctx, 0, 0); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	none.Close()
}
