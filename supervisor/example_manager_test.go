package supervisor_test

import (
	"context"
	"fmt"
	"os"

	"yunta/child"
	"yunta/child/manager"
	"yunta/ipc"
	"yunta/supervisor"
)

// ok is for the examples: it stops at an error.
func ok[T any](v T, err error) T {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	return v
}

type shared struct {
	Dict *manager.Dict[any, any]
	List *manager.List[int]
}

var fillShared = child.Register("fillShared", func(ctx context.Context, s shared) (int, error) {
	ok(0, s.Dict.Set(ctx, 1, "1"))
	ok(0, s.Dict.Set(ctx, "2", 2))
	ok(0, s.Dict.Set(ctx, 0.25, nil))
	return 0, s.List.Reverse(ctx)
})

// A dict and a list that a child changes, as in Python's "Sharing state between processes".
func ExampleNewManager() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{}))
	defer m.Close()
	s := shared{
		ok(manager.NewDict[any, any](ctx, m.Client(), nil)),
		ok(manager.NewList(ctx, m.Client(), ints(10)...)),
	}
	p := supervisor.NewProcess(fillShared, s, supervisor.ProcessOptions{})
	ok(0, p.Start(ctx))
	ok(0, p.Wait(ctx))
	for item := range s.Dict.All(ctx) {
		fmt.Printf("%#v: %#v\n", item.Key, item.Value)
	}
	fmt.Println(ok(s.List.Items(ctx)))
	// Output:
	// 1: "1"
	// "2": 2
	// 0.25: <nil>
	// [9 8 7 6 5 4 3 2 1 0]
}

var countFruit = child.Register("countFruit", func(ctx context.Context, d *manager.Dict[string, int]) (int, error) {
	for range 1000 {
		if _, err := d.Add(ctx, "apples", 1); err != nil {
			return 0, err
		}
	}
	return 0, nil
})

// `d[k] += 1` from 8 processes: in Python it needs a lock beside the dict, or counts less.
func ExampleNewManager_counter() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{}))
	defer m.Close()
	d := ok(manager.NewDict[string, int](ctx, m.Client(), nil))
	var all []*supervisor.Process
	for range 8 {
		p := supervisor.NewProcess(countFruit, d, supervisor.ProcessOptions{})
		ok(0, p.Start(ctx))
		all = append(all, p)
	}
	for _, p := range all {
		ok(0, p.Wait(ctx))
	}
	fmt.Println(d.Get(ctx, "apples"))
	// Output: 8000 <nil>
}

// Attributes, as in the documentation of Python's Namespace.
func ExampleNewManager_namespace() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{}))
	defer m.Close()
	global := ok(manager.NewNamespace(ctx, m.Client(), nil))
	ok(0, global.Set(ctx, "x", 10))
	ok(0, global.Set(ctx, "y", "hello"))
	ok(0, global.Set(ctx, "_z", 12.3)) // hidden
	fmt.Println(ok(global.Text(ctx)))
	// Output: Namespace(x=10, y="hello")
}

// maths is Python's MathsClass.
type maths struct{}

var (
	mathsType = manager.Register("Maths", func(context.Context, struct{}) (maths, error) { return maths{}, nil })
	mathsAdd  = manager.RegisterMethod(mathsType, "add", func(_ context.Context, _ maths, v [2]int) (int, error) { return v[0] + v[1], nil })
	mathsMul  = manager.RegisterMethod(mathsType, "mul", func(_ context.Context, _ maths, v [2]int) (int, error) { return v[0] * v[1], nil })
)

// A type of the program's own, as in Python's "Customized managers".
func ExampleNewManager_register() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{}))
	defer m.Close()
	o := ok(mathsType.New(ctx, m.Client(), struct{}{}))
	fmt.Println(mathsAdd.Call(ctx, o, [2]int{4, 3}))
	fmt.Println(mathsMul.Call(ctx, o, [2]int{7, 8}))
	// Output:
	// 7 <nil>
	// 56 <nil>
}

// A queue that processes of other machines reach by an address and a key, as in Python's "Using a remote manager".
func ExampleNewManager_remote() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{
		Network: "tcp", AuthKey: []byte("abracadabra"), // and Address: ":50000", say
	}))
	defer m.Close()
	queue := ok(manager.NewQueue[string](ctx, m.Client(), manager.QueueOptions{}))
	ok(0, queue.Publish(ctx, "queue"))

	// One client ...
	c := ok(manager.Dial(ctx, "tcp", m.Addr().String(), manager.DialOptions{AuthKey: []byte("abracadabra")}))
	defer c.Close()
	ok(0, ok(manager.Open[manager.Queue[string]](ctx, c, "queue")).Put(ctx, "hello"))
	// ... and another.
	d := ok(manager.Dial(ctx, "tcp", m.Addr().String(), manager.DialOptions{AuthKey: []byte("abracadabra")}))
	defer d.Close()
	fmt.Println(ok(manager.Open[manager.Queue[string]](ctx, d, "queue")).Get(ctx))
	// Output: hello <nil>
}

// Objects in objects, as in Python's "Proxy Objects".
func ExampleNewManager_nested() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{}))
	defer m.Close()
	c := m.Client()
	b := ok(manager.NewList[string](ctx, c))
	a := ok(manager.NewList(ctx, c, b)) // the referent of a contains that of b
	fmt.Println(ok(b.Items(ctx)))
	ok(0, b.Append(ctx, "hello"))
	fmt.Println(ok(ok(a.At(ctx, 0)).Items(ctx)), ok(b.Items(ctx)))

	type inner = manager.Dict[string, int]
	outer := ok(manager.NewList(ctx, c, ok(manager.NewDict[string, int](ctx, c, nil)), ok(manager.NewDict[string, int](ctx, c, nil))))
	var first *inner = ok(outer.At(ctx, 0))
	ok(0, first.Set(ctx, "a", 1))
	ok(0, first.Set(ctx, "b", 2))
	ok(0, ok(outer.At(ctx, 1)).Set(ctx, "c", 3))
	ok(0, ok(outer.At(ctx, -1)).Set(ctx, "z", 26))
	fmt.Println(ok(ok(outer.At(ctx, 0)).Items(ctx)), ok(ok(outer.At(ctx, 1)).Items(ctx)))

	// What is no proxy is a copy: changing it does nothing until it is set.
	plain := ok(manager.NewList(ctx, c, map[string]int{}))
	d := ok(plain.At(ctx, 0))
	d["a"], d["b"] = 1, 2
	fmt.Println(ok(plain.At(ctx, 0)))
	ok(0, plain.Set(ctx, 0, d))
	fmt.Println(ok(plain.At(ctx, 0)))
	// Output:
	// []
	// [hello] [hello]
	// map[a:1 b:2] map[c:3 z:26]
	// map[]
	// map[a:1 b:2]
}

// Slices and items of a proxy, as in Python's "Proxy Objects".
func ExampleNewManager_list() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{}))
	defer m.Close()
	l := ok(manager.NewList[int](ctx, m.Client()))
	for i := range 10 {
		ok(0, l.Append(ctx, i*i))
	}
	fmt.Println(ok(l.Items(ctx)))
	fmt.Println(ok(l.At(ctx, 4)))
	fmt.Println(ok(l.Slice(ctx, 2, 5)))
	// Output:
	// [0 1 4 9 16 25 36 49 64 81]
	// 16
	// [4 9 16]
}

type share struct {
	List     *ipc.ShareableList
	From, To int
}

var doubleShare = child.Register("doubleShare", func(_ context.Context, s share) (int, error) {
	defer s.List.Close()
	for i := s.From; i < s.To; i++ {
		n := ok(s.List.At(i)).(int)
		ok(0, s.List.Set(i, 2*n))
	}
	return 0, nil
})

// Shared memory that goes with the manager, as in the documentation of Python's SharedMemoryManager.
func ExampleNewManager_sharedMemory() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{}))
	defer m.Close()
	l := ok(manager.NewShareableList(ctx, m.Client(), "", ipcInts(2000)...))
	defer l.Close()
	p1 := supervisor.NewProcess(doubleShare, share{l, 0, 1000}, supervisor.ProcessOptions{})
	p2 := supervisor.NewProcess(doubleShare, share{l, 1000, 2000}, supervisor.ProcessOptions{})
	ok(0, p1.Start(ctx))
	ok(0, p2.Start(ctx))
	ok(0, p1.Wait(ctx))
	ok(0, p2.Wait(ctx))
	sum := 0
	for _, v := range l.All() {
		sum += v.(int)
	}
	fmt.Println(sum)
	// Output: 3998000
}

// A pool on the manager's server.
func ExampleNewManagedPool() {
	ctx := context.Background()
	m := ok(supervisor.NewManager(ctx, supervisor.ManagerOptions{}))
	defer m.Close()
	p := ok(supervisor.NewManagedPool(ctx, m.Client(), supervisor.ManagedPoolOptions{Processes: 2}))
	fmt.Println(supervisor.ManagedMap(ctx, p, square, ints(10)))
	fmt.Println(p.Close(ctx))
	// Output:
	// [0 1 4 9 16 25 36 49 64 81] <nil>
	// <nil>
}
