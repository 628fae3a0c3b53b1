package manager

import (
	"context"
	"maps"
	"slices"
	"testing"

	"yunta/ipc"
)

// CPython's class _TestContainers. Python's slices, sums and products of a list proxy are plain lists, made of messages
// that Go spells out: Slice, and slices.Concat and slices.Repeat of Items.

func wantList[T comparable](t *testing.T, ctx context.Context, l *List[T], want ...T) {
	t.Helper()
	if got, err := l.Items(ctx); err != nil || !slices.Equal(got, want) {
		t.Errorf("the list is %v, %v; want %v", got, err, want)
	}
}

func count(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestCPython__TestContainers_test_list(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	a := must[*List[int]](t)(NewList(ctx, c, count(10)...))
	wantList(t, ctx, a, count(10)...)
	b := must[*List[int]](t)(NewList[int](ctx, c))
	wantList(t, ctx, b)
	check(t, b.Extend(ctx, count(5)))
	wantList(t, ctx, b, 0, 1, 2, 3, 4)
	two, err := b.At(ctx, 2)
	if two != 2 || err != nil {
		t.Errorf("item 2 is %d, %v", two, err)
	}
	for _, part := range []struct {
		from, to int
		want     []int
	}{{2, 10, []int{2, 3, 4}}, {1, -1, []int{1, 2, 3}}, {3, 2, nil}, {-2, End, []int{3, 4}}, {-9, 1, []int{0}}} {
		if got, err := b.Slice(ctx, part.from, part.to); err != nil || !slices.Equal(got, part.want) {
			t.Errorf("[%d:%d] is %v, %v; want %v", part.from, part.to, got, err, part.want)
		}
	}
	check(t, b.Repeat(ctx, 2))
	wantList(t, ctx, b, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4)
	items, err := b.Items(ctx)
	check(t, err)
	sum := slices.Concat(items, []int{5, 6}) // a new one, here
	wantList(t, ctx, b, sum[:10]...)
	wantList(t, ctx, a, count(10)...)

	// Lists in a list are seen through what holds them.
	d := []*List[int]{a, b}
	e := must[*List[*List[int]]](t)(NewList(ctx, c, d...))
	got := must[[]*List[int]](t)(e.Items(ctx))
	if len(got) != 2 || !got[0].Same(&a.Proxy) || !got[1].Same(&b.Proxy) {
		t.Errorf("the list holds %v", got)
	}
	wantList(t, ctx, got[1], sum[:10]...)

	f := must[*List[*List[int]]](t)(NewList(ctx, c, a))
	check(t, a.Append(ctx, 77))
	wantList(t, ctx, must[*List[int]](t)(f.At(ctx, 0)), append(count(10), 77)...)
	for _, i := range []int{11, -12} {
		_, err := a.At(ctx, i)
		wantIs(t, err, ipc.ErrIndex)
	}
}

// All asks for the items when the range begins: whatever was changed before is seen, and what is changed meanwhile is
// not. A range that is over can be begun again, which an iterator of Python's cannot.
func TestCPython__TestContainers_test_list_iter(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	a := must[*List[int]](t)(NewList(ctx, c, count(10)...))
	it := a.All(ctx)
	var got []int
	for v, err := range it {
		check(t, err)
		got = append(got, v)
	}
	if !slices.Equal(got, count(10)) {
		t.Errorf("yielded %v", got)
	}
	it = a.All(ctx)
	check(t, a.Set(ctx, 0, 100))
	for v, err := range it {
		if v != 100 || err != nil {
			t.Errorf("yielded %d, %v first, want 100", v, err)
		}
		break
	}
	got = nil
	for v := range a.All(ctx) {
		got = append(got, v)
		check(t, a.Clear(ctx))
	}
	if len(got) != 10 {
		t.Errorf("yielded %v while the list was cleared", got)
	}
	wantList(t, ctx, a)
}

func TestCPython__TestContainers_test_list_proxy_in_list(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	var inner []*List[int]
	for range 3 {
		inner = append(inner, must[*List[int]](t)(NewList(ctx, c, count(3)...)))
	}
	a := must[*List[*List[int]]](t)(NewList(ctx, c, inner...))
	all := must[[]*List[int]](t)(a.Items(ctx))
	for _, l := range all {
		wantList(t, ctx, l, 0, 1, 2)
	}
	check(t, all[0].Set(ctx, 2, 55)) // and no other
	wantList(t, ctx, all[0], 0, 1, 55)
	wantList(t, ctx, all[1], 0, 1, 2)
	wantList(t, ctx, inner[0], 0, 1, 55)
	if n, err := must[*List[int]](t)(a.At(ctx, 1)).Len(ctx); n != 3 || err != nil {
		t.Errorf("the second has %d items, %v", n, err)
	}

	// One that has itself in it can be used, and unlinked.
	b := must[*List[*List[*Proxy]]](t)(NewList[*List[*Proxy]](ctx, c))
	self := &List[*Proxy]{Proxy: b.Proxy}
	check(t, b.Append(ctx, self))
	again := must[*List[*Proxy]](t)(b.At(ctx, 0))
	if !again.Same(&b.Proxy) {
		t.Errorf("the list holds %v, not itself", again)
	}
	if n, err := again.Len(ctx); n != 1 || err != nil {
		t.Errorf("seen from inside it has %d items, %v", n, err)
	}
	check(t, again.Unlink(ctx))
	_, err := b.Len(ctx)
	wantIs(t, err, ErrGone)
}

func TestCPython__TestContainers_test_dict(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	d := must[*Dict[int, string]](t)(NewDict[int, string](ctx, c, nil))
	want := map[int]string{}
	var keys []int
	var values []string
	for i := 65; i < 70; i++ {
		check(t, d.Set(ctx, i, string(rune(i))))
		want[i] = string(rune(i))
		keys, values = append(keys, i), append(values, string(rune(i)))
	}
	if got, err := d.Items(ctx); err != nil || !maps.Equal(got, want) {
		t.Errorf("copied %v, %v", got, err)
	}
	if got, err := d.Keys(ctx); err != nil || !slices.Equal(got, keys) {
		t.Errorf("keys %v, %v", got, err)
	}
	if got, err := d.Values(ctx); err != nil || !slices.Equal(got, values) {
		t.Errorf("values %v, %v", got, err)
	}
	i := 0
	for item, err := range d.All(ctx) {
		if err != nil || item.Key != keys[i] || item.Value != values[i] {
			t.Errorf("item %d is %v, %v", i, item, err)
		}
		i++
	}
	if i != len(keys) {
		t.Errorf("%d items", i)
	}
}

// What is changed during the range is not seen, where in Python it is an error.
func TestCPython__TestContainers_test_dict_iter(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	want := map[int]string{}
	for i := 65; i < 70; i++ {
		want[i] = string(rune(i))
	}
	d := must[*Dict[int, string]](t)(NewDict(ctx, c, want))
	got := map[int]int{}
	for item, err := range d.All(ctx) {
		check(t, err, d.Set(ctx, 100+item.Key, "new"))
		got[item.Key]++
	}
	for key := range want {
		if got[key] != 1 {
			t.Errorf("key %d came %d times", key, got[key])
		}
	}
	if n, err := d.Len(ctx); len(got) != 5 || n != 10 || err != nil {
		t.Errorf("%d keys came, and now there are %d, %v", len(got), n, err)
	}
}

// Nothing is counted here: what a list or dict refers to stays until somebody unlinks it, whoever has a proxy.
func TestCPython__TestContainers_test_dict_proxy_nested(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	type pets = Dict[string, int]
	p := must[*pets](t)(NewDict(ctx, c, map[string]int{"ferrets": 2, "hamsters": 4}))
	w := must[*List[string]](t)(NewList(ctx, c, "water"))
	d := must[*Dict[string, *pets]](t)(NewDict(ctx, c, map[string]*pets{"pets": p}))
	// The local proxies are dropped, and with them what they were reached by.
	other := connect(t, s)
	wl := must[*List[*List[string]]](t)(NewList(ctx, c, w))
	d, wl = must[*Dict[string, *pets]](t)(Via(other, d)), must[*List[*List[string]]](t)(Via(other, wl))
	p, w = nil, nil
	check(t, c.Close())

	get := func() *pets { return must[*pets](t)(d.Get(ctx, "pets")) }
	if n, err := get().Get(ctx, "ferrets"); n != 2 || err != nil {
		t.Errorf("%d ferrets, %v", n, err)
	}
	check(t, get().Set(ctx, "blanket", 5), get().Delete(ctx, "hamsters"))
	if got, err := get().Items(ctx); err != nil || !maps.Equal(got, map[string]int{"ferrets": 2, "blanket": 5}) {
		t.Errorf("pets %v, %v", got, err)
	}
	check(t, must[*List[string]](t)(wl.At(ctx, 0)).Append(ctx, "ice"))
	wantList(t, ctx, must[*List[string]](t)(wl.At(ctx, 0)), "water", "ice")

	// A second reference, and the first one taken away.
	check(t, d.Set(ctx, "also", get()), d.Delete(ctx, "pets"))
	if n, err := must[*pets](t)(d.Get(ctx, "also")).Get(ctx, "blanket"); n != 5 || err != nil {
		t.Errorf("%d blankets, %v", n, err)
	}

	// Plain values in it are copies: changing one changes nothing, until it is set.
	e := must[*Dict[string, []int]](t)(NewDict(ctx, other, map[string][]int{"l": {1}}))
	l := must[[]int](t)(e.Get(ctx, "l"))
	l[0] = 9
	if again := must[[]int](t)(e.Get(ctx, "l")); again[0] != 1 {
		t.Errorf("a copy was changed, and the dict with it: %v", again)
	}
	check(t, e.Set(ctx, "l", l))
	if again := must[[]int](t)(e.Get(ctx, "l")); again[0] != 9 {
		t.Errorf("set, but %v", again)
	}
}
