package manager

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
)

// counting adds 1 to a key as often as its argument says.
var counting = part("counting", func(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := arrived[Dict[string, int]](args[0])
	n, err := strconv.Atoi(args[1])
	for i := 0; i < n && err == nil; i++ {
		switch i % 3 {
		case 0:
			_, err = d.Add(ctx, "k", 1)
		case 1:
			_, err = UpdateKey(ctx, d, "k", addOne, 1)
		default:
			for done := false; !done && err == nil; {
				var v int
				if v, err = d.Get(ctx, "k"); err == nil {
					done, err = d.CompareAndSwap(ctx, "k", v, v+1)
				}
			}
		}
	}
	return errors.Join(err, d.Client().Close())
})

var addOne = RegisterUpdate("addOne", func(_ context.Context, v, n int) (int, error) { return v + n, nil })

// `d[k] += 1` from 8 processes, 1000 times each, gives 8000: by Add, by a registered update and by CompareAndSwap.
func TestCounter(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	d := must[*Dict[string, int]](t)(NewDict[string, int](ctx, c, nil))
	const processes, times = 8, 1000
	var all []*played
	for range processes {
		all = append(all, play(t, counting, text(t, d), strconv.Itoa(times)))
	}
	for _, p := range all {
		p.end()
	}
	if n, err := d.Get(ctx, "k"); n != processes*times || err != nil {
		t.Errorf("counted %d, %v; want %d", n, err, processes*times)
	}
}

// The same from goroutines on one client and on several.
func TestCounterGoroutines(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	d := must[*Dict[string, int]](t)(NewDict[string, int](ctx, connect(t, s), nil))
	var all sync.WaitGroup
	for i := range 8 {
		mine := d
		if i%2 == 0 {
			mine = must[*Dict[string, int]](t)(Via(connect(t, s), d))
		}
		all.Go(func() {
			for range 1000 {
				if _, err := mine.Add(ctx, "k", 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n, err := d.Get(ctx, "k"); n != 8000 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
}
