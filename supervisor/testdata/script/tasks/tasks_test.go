package tasks

import (
	"os"
	"slices"
	"testing"

	"yunta/child"
	"yunta/supervisor"
)

func TestMain(m *testing.M) {
	child.Main()
	os.Exit(m.Run())
}

func TestSquare(t *testing.T) {
	pool, err := supervisor.NewPool(t.Context(), supervisor.PoolOptions{Processes: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Terminate()
	got, err := supervisor.Map(t.Context(), pool, Square, []int{1, 2, 3})
	if err != nil || !slices.Equal(got, []int{1, 4, 9}) {
		t.Errorf("got %v, %v", got, err)
	}
}
