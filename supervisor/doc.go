// Package supervisor runs functions in child processes: a pool of workers that
// are started, pinned to cores, fed, watched and replaced. It is the parent's
// side of yunta and Python's multiprocessing.Pool, Process and
// concurrent.futures for Go.
//
//	var square = child.Register("square", func(ctx context.Context, n int) (int, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		child.Main() // a worker never returns from here
//		ctx := context.Background()
//		pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer pool.Close()
//		squares, err := supervisor.Map(ctx, pool, square, []int{1, 2, 3})
//		fmt.Println(squares, err)
//	}
//
// # What is promised
//
// A task that crashes, is killed, leaks or hangs takes down one process. The
// supervisor sees it within milliseconds, hands over what was finished, says
// which task was lost and why, replaces the worker and goes on: no call waits
// for ever. Tasks that a dead worker had been given but had not begun run
// elsewhere, without spending a retry. When the supervisor itself dies, even
// by SIGKILL, its workers and what they started in their process groups die
// with it.
//
// A task is begun once for each attempt. With Retries a task may run again
// after it has had effects, so such tasks should be idempotent.
//
// # Processes
//
// A [Process] runs one entry, once, in a child of its own: Python's
// multiprocessing.Process. It is for what lives longer than a call, or talks
// while it works: its argument may carry connections, open files, locks and
// semaphores, which arrive working.
//
// # Workers of other languages
//
// PoolOptions.Command starts the workers as another program, such as a Python
// one, whose functions child.Foreign declares:
//
//	var score = child.Foreign[[]float64, float64]("score")
//
//	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Command: []string{"python3", "worker.py"}})
//	scores, err := supervisor.Map(ctx, pool, score, rows)
//
// with worker.py beside yunta_worker.py ("yunta python-worker" prints it):
//
//	import yunta_worker as yunta
//
//	@yunta.entry
//	def score(row):
//	    return max(row)
//
//	if __name__ == "__main__":
//	    yunta.main()
//
// All that is promised above holds for them. An exception is a [RemoteError]
// with its type, text and traceback; sys.exit and signals are an [ExitError].
//
// # Managers
//
// A [Manager] is a process that keeps dicts, lists, queues, locks and objects of
// the program's own types for others, on this machine and on others, which use
// them by proxies: Python's multiprocessing.Manager. Package child/manager has
// the proxies, and says what happens when a client or the server dies. What is
// shared on one machine is a hundred times as fast in shared memory: ipc.Queue,
// ipc.Value, oslock.Lock.
//
// # Looking on
//
// [Boards] reads what every running pool of this user shows of its workers: what
// each runs, since when, and which lock it waits for; [Deadlocks] finds those that
// wait for each other. "yunta top" shows both. It costs the pools nothing.
//
// PoolOptions.Trace writes a timeline for https://ui.perfetto.dev: a lane for each
// worker and each core with its tasks, how long they had waited, crashes, retries, waits
// for locks and pauses of the garbage collector. "yunta map --trace FILE" does.
//
// # How work travels
//
// Arguments go down a pipe in chunks whose size follows from measured run
// times; results come back through memory that both sides have mapped. Each
// chunk has a word there from which the worker claims task after task, and from
// which the supervisor takes back what has not begun: when another worker is
// idle, when the caller cancels, when the worker dies. Package child/wire has
// the layouts.
//
// # What it costs
//
// The figures are of one run of "make bench" (ROUNDS=3) on two cores of an AMD
// EPYC, Linux 6.18, Go 1.26, beside Python 3.11, at a load average of 3 when it
// began. The ratios travel, the times do not.
//
//	new pool to its first result             4.1 ms  1.4 starts of the same binary; Python\'s forks take 10
//	a worker more                            2.5 ms  1.7 starts of the same binary (200 at once)
//	a Process, started and waited for        1.9 ms  1.3 starts of the same binary (200 at once); Python's fork 3.3
//	Apply, a core free                       2.3 us  a raw pipe takes 33; Python 101
//	Apply, caller and worker on one core     7.3 us  a raw pipe takes 4.7
//	a task of a Map, chunks by themselves     27 ns  37 M/s; Python 7.4 M/s
//	the same, ChunkSize: 1                    44 ns  22 M/s; Python 49 k/s
//	a string of 20 bytes there and back       94 ns  11 M/s; Python 3.0 M/s
//	a struct of three fields there and back  640 ns  1.6 M/s; Python 0.34 M/s
//	16 MiB of result                         1.7 ms  2.7 copies in warm memory; Python 20 ms
//	256 MiB there and back                    75 ms  3 times two copies in warm memory; a Python Pipe 516 ms
//	an idle worker                           2.1 MiB of its own memory and its share of the program's
//	a goroutine pool's task                   83 ns  chunks by themselves; 103 ns with ChunkSize: 1
//
// What a task costs does not depend on how many there are: 79 ns among 10^4,
// 26 ns among 10^6 and 23 among 10^7, since the first ones of a Map are dealt
// singly until their run time is known.
//
// Chunks matter below some 10 us of work a task, where the cost of sending one
// by itself shows. Leave ChunkSize at 0: the pool measures what a task
// takes and sends about 200 us of work at a time, and takes back what has not begun
// when another worker idles, so that a large chunk strands nothing.
// ChunkSize: 1 is for tasks whose results are wanted one by one, at once; a
// ChunkSize by hand is for run times that vary so much that their mean says nothing.
// Apply in a loop is the dearest way: each call waits for the one before. Use
// Map, or ApplyAsync with many under way.
//
// Arguments and results are copied: from the caller into the pipe or mapped
// memory, out of it in the worker, and back the same way. Integers, floats,
// strings and byte slices, and slices of them, are encoded without reflection;
// a struct costs some twenty times as much as an int, so []int64 columns
// travel better than []struct rows. From 64 KiB on a value goes through mapped
// memory. From 64 MiB on a string or []byte result leaves that memory
// while it is copied out, so that the parent never has it twice (on Linux;
// elsewhere the parent needs room for it twice).
//
// Goroutines are the better choice when a task cannot crash, hang or leak, and
// is shorter than about a microsecond with data that need not be copied: a
// loop that starts GOMAXPROCS goroutines over parts of a slice beats both kinds of
// pool by ten times and more. PoolOptions{Model: Goroutines} is for comparing the two, and for
// tests; it is not quicker than processes for short tasks, since it
// knows each task by itself. Processes win where a task allocates much (each
// worker has a heap and a collector of its own), must be stopped, limited or survived, or calls
// into C.
//
// More workers than cores do little harm (64 on two cores reach half to two thirds of
// what two do) and no good but for tasks that wait. A pool is worth keeping: a new one costs as
// much as 100,000 short tasks. Build with CGO_ENABLED=0, if nothing needs cgo: each worker
// then starts a fifth sooner, without the dynamic linker.
//
// # Supervision
//
// A [Group] is for children that live long: it starts them in order, keeps them
// running, and stops them in reverse. It is Erlang/OTP's supervisor, with its
// words and defaults:
//
//	g := supervisor.NewGroup(supervisor.GroupOptions{Strategy: supervisor.RestForOne},
//		supervisor.ChildSpec{ID: "store", New: supervisor.ProcessChild(store, path, supervisor.ProcessOptions{})},
//		supervisor.ChildSpec{ID: "web", New: supervisor.ProcessChild(web, port, supervisor.ProcessOptions{})},
//	)
//	err := g.Start(ctx)
//
//	OTP                                   here
//	supervisor:start_link                 NewGroup, Start
//	one_for_one, one_for_all              OneForOne, OneForAll
//	rest_for_one                          RestForOne
//	simple_one_for_one                    OneForOne, and Add
//	permanent, transient, temporary       Permanent, Transient, Temporary
//	intensity (1), period (5 s)           Intensity, Period
//	shutdown: ms, brutal_kill, infinity   Grace (2 s): a duration, BrutalKill, Unlimited
//	type: supervisor                      GroupChild
//	auto_shutdown, significant            AutoShutdown, Significant
//	ignore                                New returns no child and no error
//	start_child, terminate_child          Add, Terminate
//	restart_child, delete_child           Restart, Remove
//	which_children, count_children        Children, Count
//
// A child ends normally when its Err is nil: a process with exit code 0, a
// function that returned nil, a group that was told to stop. Any other end is a
// failure. When there are more restarts within a period than the intensity, the
// group stops its children and ends with an [*IntensityError], which has the
// failures; to a group around it, that is the failure of a child. A restart
// that fails counts and is tried again. A restart of all, or of the rest,
// brings back children that had ended or were terminated before, and drops
// temporary ones.
//
// What OTP has not: [Backoff] delays restarts. With ReadyTimeout the next child
// waits until the one before it has called [child.Ready]. With Heartbeat a
// child that does not call [child.Beat] is taken for failed. Events tell what
// happens, one after the other. Stop returns a report, a [*StopError], that names every child
// that did not end in time and what was done to it. A function can be a child,
// see [FuncChild], but a goroutine cannot be killed: one that does not heed its
// context is reported, and left running beside its successor. A group that
// gives up ends with an error, not with OTP's shutdown, so that a transient
// one is restarted, too. What several children have in common is not undone:
// locks that a killed one held are taken over as package oslock says.
//
// # Looking on
//
// [Boards] lists all running supervisors of the user with what their workers do,
// and [Deadlocks] finds those that wait for each other's locks. A pool with a
// Trace writes a timeline:
//
//	lane                what is in it
//	jobs                jobs of several tasks, from submission to end
//	worker i            tasks: index, how many, how many failed, process, CPU, and how long the
//	                    chunk they begin was queued; marks for started, left, died, retry
//	worker i send       chunks on their way; an arrow leads from there to the first task
//	worker i results    results copied out
//	worker i locks      waits of a millisecond and more for something of package oslock
//	worker i gc         pauses of the worker's garbage collector, when it stopped the world
//	supervisor gc       those of the supervisor
//	counters            tasks waiting, chunks in flight and busy workers, every 50 ms
//	core n              the same tasks by the core they ended on; workers that share one
//	                    core have lanes side by side
//
// Times are CLOCK_MONOTONIC in all processes, from the beginning of the pool.
// The last event repeats the pool's [Stats], and says how many events and tasks
// were dropped because the writer, or the supervisor, was too slow.
//
// # What it will not do
//
// Tasks of a pool get no connection to the caller but their argument and
// result. A program that a task starts in a session of its own (setsid)
// outlives the worker. macOS has no affinity call, so nothing is pinned there.
package supervisor
