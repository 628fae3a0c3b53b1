package oslock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// CPython's _TestBarrier: five parties, four of them processes and one the test itself, as there. Everywhere,
// BrokenBarrierError is ErrBroken, and a timeout is a context with a deadline, whose end is
// context.DeadlineExceeded as well as ErrBroken.
const barrierParties = 5

// party is what one party of the test does; results are three counters that all parties share.
type party struct {
	b, second *Barrier
	lock      *Lock
	results   [3]*counter
	out       *os.File
}

type counter struct {
	board  tortureBoard
	offset int
}

func (c *counter) add() uint64 { return c.board.r.Uint64(c.offset).Add(1) }
func (c *counter) len() int    { return int(c.board.r.Uint64(c.offset).Load()) }

var barrierParty = newHelper("barrier-party", func(h *helperIO, args []string) error {
	p, err := newParty(args[1])
	if err != nil {
		return err
	}
	p.out = os.NewFile(3, "out")
	text, err := partyCases[args[0]](p)
	if err != nil {
		p.fail()
		return err
	}
	h.say("done %s", text)
	_, _ = h.hear()
	return nil
})

// newParty opens what stands in the folder.
func newParty(dir string) (*party, error) {
	board, err := openBoard(filepath.Join(dir, "board"))
	if err != nil {
		return nil, err
	}
	p := &party{}
	for i := range p.results {
		p.results[i] = &counter{board, 64 * i}
	}
	o := BarrierOptions{Action: func() error { p.results[2].add(); return nil }}
	if _, err := os.Stat(filepath.Join(dir, "action")); err != nil {
		o.Action = nil
	}
	if text, err := os.ReadFile(filepath.Join(dir, "timeout")); err == nil {
		if o.Timeout, err = time.ParseDuration(string(text)); err != nil {
			return nil, err
		}
	}
	if p.b, err = OpenBarrier(filepath.Join(dir, "b"), barrierParties, o); err != nil {
		return nil, err
	}
	if p.second, err = OpenBarrier(filepath.Join(dir, "b2"), barrierParties, BarrierOptions{}); err != nil {
		return nil, err
	}
	p.lock, err = OpenLock(filepath.Join(dir, "lock"), LockOptions{})
	return p, err
}

func (p *party) close() {
	p.results[0].board.r.Unmap()
	p.b.Close()
	p.second.Close()
	p.lock.Close()
}

// wait is Wait that must not take for ever.
func (p *party) wait() (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hangTime)
	defer cancel()
	return p.b.Wait(ctx)
}

// waitCounting counts in one result if it goes well, and in another if the barrier is broken.
func (p *party) waitCounting(ok, broken int) error {
	_, err := p.wait()
	switch {
	case err == nil:
		p.results[ok].add()
	case errors.Is(err, ErrBroken):
		p.results[broken].add()
	default:
		return err
	}
	return nil
}

// fail breaks both barriers: whoever fails must not leave the others waiting.
func (p *party) fail() {
	p.b.Abort()
	p.second.Abort()
}

// parties runs the case in five parties, and returns what they say, the test's own party, and a pipe's end to
// read what they write to p.out.
func parties(t *testing.T, name string, files map[string]string) (texts []string, p *party, out *bufio.Reader) {
	t.Helper()
	dir := t.TempDir()
	for file, text := range files {
		must(t, "WriteFile", os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	p, err := newParty(dir)
	must(t, "newParty", err)
	t.Cleanup(p.close)
	r, w, err := os.Pipe()
	must(t, "Pipe", err)
	t.Cleanup(func() { r.Close() })
	p.out = w
	exe, err := os.Executable()
	must(t, "Executable", err)
	var others []*process
	for range barrierParties - 1 {
		o := barrierParty.prepare(t, exe, nil, name, dir)
		o.cmd.ExtraFiles = []*os.File{w}
		o.begin()
		others = append(others, o)
	}
	mine := make(chan struct{})
	var text string
	go func() {
		defer close(mine)
		text, err = partyCases[name](p)
		w.Close()
	}()
	out = bufio.NewReader(r)
	if name == "thousand" {
		checkThousand(t, out)
	}
	<-mine
	must(t, "this party", err)
	texts = append(texts, text)
	for _, o := range others {
		line := o.line()
		if len(line) < 5 || line[:5] != "done " {
			t.Fatalf("a party says %q", line)
		}
		texts = append(texts, line[5:])
	}
	return texts, p, out
}

func (p *party) want(t *testing.T, counts ...int) {
	t.Helper()
	for i, want := range counts {
		if got := p.results[i].len(); got != want {
			t.Errorf("result %d has %d entries, want %d", i+1, got, want)
		}
	}
}

// atRest checks that nobody is left waiting, and whether it is broken.
func (p *party) atRest(t *testing.T, broken bool) {
	t.Helper()
	if p.b.Waiting() != 0 || p.b.Broken() != broken {
		t.Errorf("at the end %d wait, broken %v, want 0, %v", p.b.Waiting(), p.b.Broken(), broken)
	}
}

const (
	thousand = 1000
	lateTime = 200 * time.Millisecond
	halfTime = 100 * time.Millisecond
)

// partyCases are the methods of _TestBarrier that end in "_f".
var partyCases map[string]func(p *party) (string, error)

var _ = func() int { // they refer to each other
	partyCases = map[string]func(p *party) (string, error){
		"barrier":    func(p *party) (string, error) { return "", p.multipass(1) },
		"barrier_10": func(p *party) (string, error) { return "", p.multipass(10) },
		"wait_return": func(p *party) (string, error) {
			i, err := p.wait()
			return strconv.Itoa(i), err
		},
		"action": func(p *party) (string, error) {
			_, err := p.wait()
			if n := p.results[2].len(); n != 1 {
				return "", fmt.Errorf("the action has run %d times", n)
			}
			return "", err
		},
		"abort":           func(p *party) (string, error) { return "", p.abort() },
		"reset":           func(p *party) (string, error) { return "", p.reset() },
		"abort_and_reset": func(p *party) (string, error) { return "", p.abortAndReset() },
		"timeout": func(p *party) (string, error) {
			return "", p.late(func() error {
				ctx, cancel := context.WithTimeout(context.Background(), halfTime)
				defer cancel()
				_, err := p.b.Wait(ctx)
				return err
			})
		},
		"default_timeout": func(p *party) (string, error) {
			return "", p.late(func() error { _, err := p.b.Wait(context.Background()); return err })
		},
		"thousand": func(p *party) (string, error) { return "", p.thousand() },
	}
	return 0
}()

func (p *party) multipass(rounds int) error {
	for i := range rounds {
		p.results[0].add()
		if n := p.results[1].len(); n != i*barrierParties {
			return fmt.Errorf("round %d: %d are through already", i, n)
		}
		if _, err := p.wait(); err != nil {
			return err
		}
		p.results[1].add()
		if n := p.results[0].len(); n != (i+1)*barrierParties {
			return fmt.Errorf("round %d: %d have come", i, n)
		}
		if _, err := p.wait(); err != nil {
			return err
		}
	}
	return nil
}

func (p *party) abort() error {
	i, err := p.wait()
	if err != nil {
		return err
	}
	if i == barrierParties/2 {
		return p.b.Abort()
	}
	return p.waitCounting(0, 1)
}

func (p *party) reset() error {
	i, err := p.wait()
	if err != nil {
		return err
	}
	if i == barrierParties/2 {
		for p.b.Waiting() < barrierParties-1 {
			time.Sleep(time.Millisecond)
		}
		err = p.b.Reset()
	} else {
		err = p.waitCounting(0, 1)
	}
	if err == nil {
		_, err = p.wait()
	}
	p.results[2].add()
	return err
}

func (p *party) abortAndReset() error {
	if err := p.abort(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangTime)
	defer cancel()
	i, err := p.second.Wait(ctx)
	if err == nil && i == barrierParties/2 {
		err = p.b.Reset()
	}
	if err == nil {
		_, err = p.second.Wait(ctx)
	}
	if err == nil {
		_, err = p.wait()
	}
	p.results[2].add()
	return err
}

// late has one party come late to a wait that has a timeout.
func (p *party) late(wait func() error) error {
	i, err := p.wait()
	if err != nil {
		return err
	}
	if i == barrierParties/2 {
		time.Sleep(lateTime)
	}
	if err := wait(); !errors.Is(err, ErrBroken) {
		return fmt.Errorf("waiting for the late one: %w", err)
	}
	p.results[0].add()
	return nil
}

func (p *party) thousand() error {
	for i := range thousand {
		if _, err := p.wait(); err != nil {
			return err
		}
		if err := p.lock.Lock(context.Background()); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(p.out, i); err != nil {
			return err
		}
		if err := p.lock.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

func checkThousand(t *testing.T, out *bufio.Reader) {
	t.Helper()
	for i := range thousand {
		for range barrierParties {
			if line, err := out.ReadString('\n'); line != strconv.Itoa(i)+"\n" || err != nil {
				t.Fatalf("a line %q, %v, want %d", line, err, i)
			}
		}
	}
}

func TestCPython__TestBarrier_test_barrier(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "barrier", nil)
	p.want(t, barrierParties, barrierParties)
	p.atRest(t, false)
}

func TestCPython__TestBarrier_test_barrier_10(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "barrier_10", nil)
	p.want(t, 10*barrierParties, 10*barrierParties)
	p.atRest(t, false)
}

func TestCPython__TestBarrier_test_wait_return(t *testing.T) {
	t.Parallel()
	texts, p, _ := parties(t, "wait_return", nil)
	slices.Sort(texts)
	if !slices.Equal(texts, []string{"0", "1", "2", "3", "4"}) {
		t.Errorf("Wait returned %v", texts)
	}
	p.atRest(t, false)
}

// Differs: the action belongs to the handle, not to the barrier's file, since a function cannot travel: each party
// gives it when it opens, and the last to arrive runs its own.
func TestCPython__TestBarrier_test_action(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "action", map[string]string{"action": ""})
	p.want(t, 0, 0, 1)
}

func TestCPython__TestBarrier_test_abort(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "abort", nil)
	p.want(t, 0, barrierParties-1)
	p.atRest(t, true)
	_, err := p.wait()
	wantError(t, "Wait later", err, ErrBroken)
}

func TestCPython__TestBarrier_test_reset(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "reset", nil)
	p.want(t, 0, barrierParties-1, barrierParties)
	p.atRest(t, false)
}

func TestCPython__TestBarrier_test_abort_and_reset(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "abort_and_reset", nil)
	p.want(t, 0, barrierParties-1, barrierParties)
	p.atRest(t, false)
}

func TestCPython__TestBarrier_test_timeout(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "timeout", nil)
	p.want(t, barrierParties)
	p.atRest(t, true)
}

// Differs: the timeout is an option of the handle, and is used when the context has no deadline.
func TestCPython__TestBarrier_test_default_timeout(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "default_timeout", map[string]string{"timeout": halfTime.String()})
	p.want(t, barrierParties)
	p.atRest(t, true)
}

func TestCPython__TestBarrier_test_single_thread(t *testing.T) {
	t.Parallel()
	b := openBarrier(t, tempPath(t), 1, BarrierOptions{})
	for range 2 {
		if i, err := b.Wait(t.Context()); i != 0 || err != nil {
			t.Fatalf("Wait = %d, %v, want 0", i, err)
		}
	}
}

// Differs: Python's Pipe carries the reports, here a pipe of the system, inherited.
func TestCPython__TestBarrier_test_thousand(t *testing.T) {
	t.Parallel()
	_, p, _ := parties(t, "thousand", nil)
	p.atRest(t, false)
}
