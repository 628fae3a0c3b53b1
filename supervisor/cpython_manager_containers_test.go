package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"yunta/child"
	"yunta/child/manager"
	"yunta/ipc"
)

// The containers of CPython's class TestSyncManagerTypes.

// unlike is a child's assertion about a slice.
func unlike[T comparable](got []T, err error, want ...T) error {
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("got %v, want %v", got, want)
	}
	return err
}

var listWorker = child.Register("listWorker", func(ctx context.Context, l *manager.List[int]) (int, error) {
	n, err := l.Count(ctx, 5)
	errs := []error{differs(n, err, 1), l.Append(ctx, 7)}
	items, err := l.Items(ctx)
	errs = append(errs, unlike(items, err, 5, 7), l.Reverse(ctx))
	items, err = l.Items(ctx)
	errs = append(errs, unlike(items, err, 7, 5), l.Sort(ctx), l.Extend(ctx, []int{6, 9}), l.Insert(ctx, 0, 1))
	items, err = l.Items(ctx)
	errs = append(errs, unlike(items, err, 1, 5, 7, 6, 9), l.Remove(ctx, 5))
	i, err := l.Index(ctx, 7)
	errs = append(errs, differs(i, err, 1))
	v, err := l.Pop(ctx, -1)
	errs = append(errs, differs(v, err, 9), l.Delete(ctx, 0, 1), l.SortReverse(ctx))
	n, err = l.Len(ctx)
	errs = append(errs, differs(n, err, 2))
	return 0, errors.Join(errs...)
})

func TestCPython_TestSyncManagerTypes_test_list(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	l := made[*manager.List[int]](t)(manager.NewList(ctx, c, 5))
	inChild(t, listWorker, l)
	if got, err := l.Items(ctx); err != nil || !slices.Equal(got, []int{7, 6}) {
		t.Errorf("the child left %v, %v", got, err)
	}
	for what, err := range map[string]error{
		"removing what is not there": l.Remove(ctx, 100),
		"popping what is not there":  func() error { _, err := l.Pop(ctx, 5); return err }(),
	} {
		if !errors.Is(err, ipc.ErrNoItem) && !errors.Is(err, ipc.ErrIndex) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

var dictWorker = child.Register("dictWorker", func(ctx context.Context, d *manager.Dict[string, int]) (int, error) {
	n, err := d.Len(ctx)
	errs := []error{differs(n, err, 1)}
	v, err := d.Get(ctx, "foo")
	errs = append(errs, differs(v, err, 5))
	items, err := d.Items(ctx)
	if !maps.Equal(items, map[string]int{"foo": 5}) {
		err = errors.Join(err, fmt.Errorf("items %v", items))
	}
	keys, kerr := d.Keys(ctx)
	values, verr := d.Values(ctx)
	errs = append(errs, err, unlike(keys, kerr, "foo"), unlike(values, verr, 5))
	in, err := d.Contains(ctx, "foo")
	errs = append(errs, differs(in, err, true))
	in, err = d.Contains(ctx, "bar")
	errs = append(errs, differs(in, err, false))
	v, err = d.SetDefault(ctx, "bar", 6)
	errs = append(errs, differs(v, err, 6), d.Update(ctx, map[string]int{"baz": 7}))
	v, err = d.Pop(ctx, "foo")
	errs = append(errs, differs(v, err, 5))
	key, v, err := d.PopItem(ctx)
	errs = append(errs, differs(v, err, 7), differs(key, nil, "baz"))
	return 0, errors.Join(errs...)
})

func TestCPython_TestSyncManagerTypes_test_dict(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	d := made[*manager.Dict[string, int]](t)(manager.NewDict(ctx, c, map[string]int{"foo": 5}))
	inChild(t, dictWorker, d)
	if got, err := d.Items(ctx); err != nil || !maps.Equal(got, map[string]int{"bar": 6}) {
		t.Errorf("the child left %v, %v", got, err)
	}
	if _, err := d.Get(ctx, "foo"); !errors.Is(err, manager.ErrKey) {
		t.Errorf("the value of a key that is gone: %v", err)
	}
	noError(t, d.Clear(ctx))
	if n, err := d.Len(ctx); n != 0 || err != nil {
		t.Errorf("cleared, and %d keys, %v", n, err)
	}
}

var valueWorker = child.Register("valueWorker", func(ctx context.Context, v *manager.Value[int]) (int, error) {
	n, err := v.Load(ctx)
	return 0, errors.Join(differs(n, err, 1), v.Store(ctx, 2))
})

func TestCPython_TestSyncManagerTypes_test_value(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	v := made[*manager.Value[int]](t)(manager.NewValue(ctx, c, 1))
	inChild(t, valueWorker, v)
	if n, err := v.Load(ctx); n != 2 || err != nil {
		t.Errorf("the child left %d, %v", n, err)
	}
}

var arrayWorker = child.Register("arrayWorker", func(ctx context.Context, a *manager.Array[int]) (int, error) {
	n, err := a.Len(ctx)
	items, ierr := a.Items(ctx)
	var ranged []int
	for v, err := range a.All(ctx) {
		ierr = errors.Join(ierr, err)
		ranged = append(ranged, v)
	}
	return 0, errors.Join(differs(n, err, 5), unlike(items, ierr, 0, 1, 2, 3, 4), unlike(ranged, nil, 0, 1, 2, 3, 4), a.Set(ctx, 0, 9))
})

func TestCPython_TestSyncManagerTypes_test_array(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	a := made[*manager.Array[int]](t)(manager.NewArray(ctx, c, ints(5)...))
	inChild(t, arrayWorker, a)
	if v, err := a.At(ctx, 0); v != 9 || err != nil {
		t.Errorf("the child left %d, %v", v, err)
	}
	if err := a.SetSlice(ctx, 3, []int{1, 2, 3}); !errors.Is(err, ipc.ErrIndex) {
		t.Errorf("more is set than there is room for: %v", err)
	}
}

var namespaceWorker = child.Register("namespaceWorker", func(ctx context.Context, n *manager.Namespace) (int, error) {
	x, err := manager.Attr[int](ctx, n, "x")
	y, yerr := n.Get(ctx, "y")
	return 0, errors.Join(differs(x, err, 0), differs(y, yerr, any(int64(1))), n.Set(ctx, "z", "from the child"))
})

func TestCPython_TestSyncManagerTypes_test_namespace(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	n := made[*manager.Namespace](t)(manager.NewNamespace(ctx, c, map[string]any{"x": 0}))
	noError(t, n.Set(ctx, "y", 1))
	inChild(t, namespaceWorker, n)
	if z, err := n.Get(ctx, "z"); z != "from the child" || err != nil {
		t.Errorf("the child left %v, %v", z, err)
	}
}
