package manager

import (
	"slices"
	"testing"

	"yunta/ipc"
)

func TestCPython__TestContainers_test_nested_queue(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	l := must[*List[*Queue[int]]](t)(NewList[*Queue[int]](ctx, c))
	for i := range 10 {
		check(t, l.Append(ctx, must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{}))))
		check(t, must[*Queue[int]](t)(l.At(ctx, i)).Put(ctx, i))
	}
	for i := range 10 {
		q := must[*Queue[int]](t)(l.At(ctx, i))
		if n, err := q.TryGet(ctx); n != i || err != nil {
			t.Errorf("queue %d gives %d, %v", i, n, err)
		}
		if empty, err := q.Empty(ctx); !empty || err != nil {
			t.Errorf("queue %d is not empty, %v", i, err)
		}
	}
	d := must[*Dict[string, *Queue[string]]](t)(NewDict[string, *Queue[string]](ctx, c, nil))
	check(t, d.Set(ctx, "q", must[*Queue[string]](t)(NewQueue[string](ctx, c, QueueOptions{}))))
	check(t, must[*Queue[string]](t)(d.Get(ctx, "q")).Put(ctx, "through the dict"))
	if v, err := must[*Queue[string]](t)(d.Get(ctx, "q")).Get(ctx); v != "through the dict" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
}

// Attributes are reached by their names as strings.
func TestCPython__TestContainers_test_namespace(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	n := must[*Namespace](t)(NewNamespace(ctx, c, nil))
	check(t, n.Set(ctx, "name", "Bob"), n.Set(ctx, "job", "Builder"), n.Set(ctx, "_hidden", "hidden"))
	for _, want := range []struct{ name, value string }{{"name", "Bob"}, {"job", "Builder"}, {"_hidden", "hidden"}} {
		if v, err := n.Get(ctx, want.name); v != want.value || err != nil {
			t.Errorf("%s is %v, %v", want.name, v, err)
		}
	}
	check(t, n.Delete(ctx, "job"))
	_, err := n.Get(ctx, "job")
	wantIs(t, err, ErrKey)
	wantIs(t, n.Delete(ctx, "job"), ErrKey)
	if text, err := n.Text(ctx); text != `Namespace(name="Bob")` || err != nil {
		t.Errorf("in words: %s, %v", text, err)
	}
	if names, err := n.Names(ctx); err != nil || !slices.Equal(names, []string{"name", "_hidden"}) {
		t.Errorf("names %q, %v", names, err)
	}
	if v, err := AddAttr(ctx, n, "age", 30); v != 30 || err != nil {
		t.Errorf("age %d, %v", v, err)
	}
	_, err = Attr[int](ctx, n, "name")
	wantIs(t, err, ipc.ErrDecode)
}
