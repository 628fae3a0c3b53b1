package child

import (
	"errors"
	"testing"
)

func TestForeign(t *testing.T) {
	t.Parallel()
	e := Foreign[[]int, string]("elsewhere")
	if e.Name() != "elsewhere" || !e.IsForeign() || !e.Bind(nil).IsForeign() {
		t.Errorf("%q, %v", e.Name(), e.IsForeign())
	}
	if lookup("elsewhere") != nil {
		t.Error("it is among the entries of this program")
	}
	if _, err := e.Func()(t.Context(), nil); !errors.Is(err, ErrForeign) {
		t.Error(err)
	}
	if err := e.Bind(nil).Run(t.Context()); !errors.Is(err, ErrForeign) {
		t.Error(err)
	}
	// Plain msgpack, whatever the type: an array of one, and an integer.
	for arg, call := range map[string]Call{"\x91\x05": e.Bind([]int{5}), "\x05": Foreign[int, int]("x").Bind(5)} {
		if i, err := call.PlainInvocation(); err != nil || string(i.Arg) != arg || i.Entry != call.Name() {
			t.Errorf("%+v, %v", i, err)
		}
	}
	if i, err := (Call{}).PlainInvocation(); i != nil || err != nil {
		t.Error(i, err)
	}
	if _, err := Foreign[chan int, int]("x").Bind(nil).PlainInvocation(); err == nil {
		t.Error("a channel was encoded")
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Foreign[int, int]("")
}
