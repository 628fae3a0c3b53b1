package ipc

import (
	"context"
	"errors"
	"slices"
	"testing"

	"yunta/oslock"
)

// doubled is what the child of the tests below changes in place.
type doubled struct {
	B bool
	I int8
	U uint16
	N int32
	L uint64
	F float32
	D float64
	C complex128
	A [3]int16
	P struct{ X, Y float64 }
	S [6]byte
}

func (d *doubled) double() {
	d.B, d.I, d.U, d.N, d.L, d.F, d.D, d.C = !d.B, 2*d.I, 2*d.U, 2*d.N, 2*d.L, 2*d.F, 2*d.D, 2*d.C
	for i := range d.A {
		d.A[i] *= 2
	}
	d.P.X, d.P.Y = 2*d.P.X, 2*d.P.Y
	copy(d.S[3:], d.S[:3])
}

var doubledBefore = doubled{
	B: true, I: -3, U: 4, N: -5, L: 1 << 40, F: 1.5, D: 2.5, C: 1i, A: [3]int16{1, 2, 3},
	P: struct{ X, Y float64 }{3, 4}, S: [6]byte{'a', 'b', 'c'},
}

var _ = addHelper("doubles", func(args []string) {
	ctx := context.Background()
	v, err := OpenValue[doubled](Handle{args[0], args[1]})
	if err != nil {
		panic(err)
	}
	a, err := OpenArray[int32](Handle{args[2], args[3]})
	if err != nil {
		panic(err)
	}
	err = errors.Join(
		v.Update(ctx, func(d *doubled) error { d.double(); return nil }),
		a.Update(ctx, func(s []int32) error {
			for i := 1; i < len(s); i++ {
				s[i] += s[i-1]
			}
			return nil
		}))
	if err != nil {
		panic(err)
	}
})

func checkDoubled(t *testing.T, o ValueOptions) {
	t.Helper()
	ctx := soon(t)
	v, err := NewValue(doubledBefore, o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if got, err := v.Load(ctx); err != nil || got != doubledBefore {
		t.Errorf("%+v, %v", got, err)
	}
	local := []int32{680, 626, 934, 821, 150, 233, 548, 982, 714, 831}
	a, err := NewArrayOf(local, o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if got, err := a.Slice(ctx, 2, 7); err != nil || a.Len() != 10 || !slices.Equal(got, local[2:7]) {
		t.Errorf("%v, %v", got, err)
	}
	copy(local[4:8], []int32{1, 2, 3, 4})
	if err := a.SetSlice(ctx, 4, []int32{1, 2, 3, 4}); err != nil {
		t.Error(err)
	}
	h, g := v.Handle(), a.Handle()
	if out, err := helper(t, "doubles", h.File, h.Lock, g.File, g.Lock).Output(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for i := 1; i < len(local); i++ {
		local[i] += local[i-1]
	}
	if got, err := a.Slice(ctx, 0, 10); err != nil || !slices.Equal(got, local) {
		t.Errorf("%v, %v, want %v", got, err, local)
	}
	want := doubledBefore
	want.double()
	if got, err := v.Load(ctx); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestCPython__TestValue_test_value(t *testing.T) {
	t.Parallel()
	checkDoubled(t, ValueOptions{})
}

func TestCPython__TestValue_test_rawvalue(t *testing.T) {
	t.Parallel()
	checkDoubled(t, ValueOptions{NoLock: true})
}

func TestCPython__TestArray_test_array(t *testing.T) {
	t.Parallel()
	checkDoubled(t, ValueOptions{})
}

func TestCPython__TestArray_test_rawarray(t *testing.T) {
	t.Parallel()
	checkDoubled(t, ValueOptions{NoLock: true})
}

func TestCPython__TestSharedCTypes_test_sharedctypes(t *testing.T) {
	t.Parallel()
	checkDoubled(t, ValueOptions{NoLock: true})
}

func TestCPython__TestSharedCTypes_test_synchronize(t *testing.T) {
	t.Parallel()
	checkDoubled(t, ValueOptions{})
}

func TestCPython__TestSharedCTypes_test_copy(t *testing.T) {
	t.Parallel()
	v, err := NewValue(doubledBefore, ValueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	private, err := v.Load(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Store(soon(t), doubled{}); err != nil {
		t.Error(err)
	}
	if private != doubledBefore {
		t.Error("the copy changed with the shared one")
	}
}

func TestCPython__TestArray_test_array_from_size(t *testing.T) {
	t.Parallel()
	for range 3 {
		a, err := NewArray[int](1000, ValueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Slice(soon(t), 0, 1000)
		if err != nil || a.Len() != 1000 || slices.ContainsFunc(got, func(n int) bool { return n != 0 }) {
			t.Errorf("a new array is not zero: %v", err)
		}
		err = a.Update(soon(t), func(s []int) error {
			for i := range s {
				s[i] = i + 1
			}
			return nil
		})
		if err := errors.Join(err, a.Close()); err != nil {
			t.Error(err)
		}
	}
}

// Which lock is an option: its own, a given one, or none. (A wrong type of lock does not compile.)
func checkLockOptions(t *testing.T, handle func(ValueOptions) (Handle, func() error, error)) {
	t.Helper()
	l, err := oslock.OpenLock(uniqueName(t), oslock.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer oslock.Unlink(l.File())
	defer l.Close()
	for name, o := range map[string]ValueOptions{"own": {}, "given": {Lock: l}, "none": {NoLock: true}} {
		h, closes, err := handle(o)
		if err != nil {
			t.Fatal(name, err)
		}
		switch name {
		case "own":
			if h.Lock == "" || h.Lock == l.File() {
				t.Errorf("its own lock is %q", h.Lock)
			}
		case "given":
			if h.Lock != l.File() {
				t.Errorf("the lock is %q", h.Lock)
			}
		case "none":
			if h.Lock != "" {
				t.Errorf("without a lock there is %q", h.Lock)
			}
		}
		if err := closes(); err != nil {
			t.Error(err)
		}
	}
	if ok, err := l.TryLock(); !ok || err != nil {
		t.Errorf("the given lock was not left as it was: %v, %v", ok, err)
	}
	l.Unlock()
}

func TestCPython__TestValue_test_getobj_getlock(t *testing.T) {
	t.Parallel()
	checkLockOptions(t, func(o ValueOptions) (Handle, func() error, error) {
		v, err := NewValue(5, o)
		if err != nil {
			return Handle{}, nil, err
		}
		return v.Handle(), v.Close, nil
	})
}

func TestCPython__TestArray_test_getobj_getlock_obj(t *testing.T) {
	t.Parallel()
	checkLockOptions(t, func(o ValueOptions) (Handle, func() error, error) {
		a, err := NewArray[int](5, o)
		if err != nil {
			return Handle{}, nil, err
		}
		return a.Handle(), a.Close, nil
	})
}
