package supervisor

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// play drives a policy by hand: what it wants is written down, and done only
// when the test says so.
type play struct {
	t   *testing.T
	p   *policy
	now time.Time
	log []string
}

var errPlay = errors.New("broken")

// newPlay takes children as "a", or "a:temporary", "b:transient", with a "!"
// behind if they are significant.
func newPlay(t *testing.T, o GroupOptions, children ...string) *play {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	p := &policy{
		strategy: o.Strategy, auto: o.AutoShutdown, backoff: o.Backoff, chance: func() float64 { return 0.5 },
		restarts: restartWindow{intensity: o.Intensity, period: o.Period},
	}
	for _, c := range children {
		p.members = append(p.members, &member{spec: parseSpec(c)})
	}
	return &play{t: t, p: p, now: time.Unix(1000, 0)}
}

func parseSpec(c string) ChildSpec {
	c, significant := strings.CutSuffix(c, "!")
	id, kind, _ := strings.Cut(c, ":")
	s := ChildSpec{ID: id, Significant: significant}
	for r := Permanent; r <= Temporary; r++ {
		if r.String() == kind {
			s.Restart = r
		}
	}
	return s
}

func (y *play) member(id string) *member {
	y.t.Helper()
	m := y.p.find(id)
	if m == nil {
		y.t.Fatalf("there is no child %q", id)
	}
	return m
}

// next writes down what the policy wants.
func (y *play) next() {
	for _, c := range y.p.next(y.now) {
		verb := "start"
		if c.stop {
			verb = "stop"
		}
		y.log = append(y.log, verb+" "+c.m.spec.ID)
	}
}

func (y *play) up(ids ...string) {
	y.t.Helper()
	for _, id := range ids {
		y.p.up(y.member(id), y.now)
		y.next()
	}
}

func (y *play) down(id string, err error) {
	y.t.Helper()
	y.p.down(y.member(id), y.now, err)
	y.next()
}

func (y *play) wait(d time.Duration) {
	y.now = y.now.Add(d)
	y.next()
}

// begin starts all and has them come up at once.
func (y *play) begin() *play {
	y.t.Helper()
	y.p.begin()
	y.next()
	for _, m := range slices.Clone(y.p.members) {
		y.up(m.spec.ID)
	}
	if y.p.phase != phaseRunning {
		y.t.Fatalf("phase %d after the start", y.p.phase)
	}
	y.log = nil
	return y
}

// wants checks what was written down since the last time.
func (y *play) wants(want ...string) {
	y.t.Helper()
	if !slices.Equal(y.log, want) {
		y.t.Errorf("the policy wants %q, want %q", y.log, want)
	}
	y.log = nil
}

// is checks the states of all children, "a+" for one that is up, "a-" for one
// that is down, "a*" while it waits for a restart.
func (y *play) is(want string) {
	y.t.Helper()
	var b []string
	for _, m := range y.p.members {
		mark := map[ChildState]string{ChildRunning: "+", ChildDown: "-", ChildWaiting: "*", ChildStartingUp: "/", ChildGoingDown: "\\"}
		b = append(b, m.spec.ID+mark[m.show()])
	}
	if got := strings.Join(b, " "); got != want {
		y.t.Errorf("children %q, want %q", got, want)
	}
}

// The children are started in order, each when the one before is up, and
// stopped in reverse. OTP: "started in order from left to right", sup_start_normal.
func TestPolicyOrder(t *testing.T) {
	t.Parallel()
	for s := OneForOne; s <= RestForOne; s++ {
		y := newPlay(t, GroupOptions{Strategy: s}, "a", "b", "c")
		y.p.begin()
		y.next()
		y.wants("start a")
		y.up("a")
		y.wants("start b")
		y.up("b")
		y.wants("start c")
		y.up("c")
		y.wants()
		y.p.end(nil)
		y.next()
		y.wants("stop c")
		y.down("c", nil)
		y.wants("stop b")
		y.down("b", errPlay) // whatever they say, they were asked
		y.wants("stop a")
		y.down("a", nil)
		if y.p.phase != phaseOver || y.p.err != nil {
			t.Errorf("%v: phase %d, error %v", s, y.p.phase, y.p.err)
		}
	}
}

// The start of one fails: those before are stopped, those after never begin,
// and it is not tried again. OTP: start_link, "terminates all already started".
func TestPolicyStartFails(t *testing.T) {
	t.Parallel()
	for s := OneForOne; s <= RestForOne; s++ {
		y := newPlay(t, GroupOptions{Strategy: s, Intensity: 10}, "a", "b", "c", "d")
		y.p.begin()
		y.next()
		y.up("a", "b")
		y.log = nil
		y.down("c", errPlay)
		y.wants("stop b")
		y.down("b", nil)
		y.down("a", nil)
		y.wants("stop a")
		var e *StartError
		if y.p.phase != phaseOver || !errors.As(y.p.err, &e) || e.Child != "c" || !errors.Is(e, errPlay) {
			t.Errorf("%v: phase %d, error %v", s, y.p.phase, y.p.err)
		}
	}
}

// Who is restarted. OTP: permanent_normal, transient_abnormal and so on.
func TestPolicyRestartKinds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		child string
		err   error
		want  string // what becomes of it
	}{
		{"a", nil, "a/"},
		{"a", errPlay, "a/"},
		{"a:transient", nil, "a-"},
		{"a:transient", errPlay, "a/"},
		{"a:temporary", nil, ""},
		{"a:temporary", errPlay, ""},
	} {
		y := newPlay(t, GroupOptions{}, row.child).begin()
		y.down("a", row.err)
		y.is(row.want)
	}
}

// Whom a restart concerns. OTP: one_for_one, one_for_all, rest_for_one.
func TestPolicyStrategies(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		s    Strategy
		want []string
	}{
		{OneForOne, []string{"start b"}},
		{OneForAll, []string{"stop d", "stop c", "stop a", "start a", "start b", "start c", "start d"}},
		{RestForOne, []string{"stop d", "stop c", "start b", "start c", "start d"}},
	} {
		y := newPlay(t, GroupOptions{Strategy: row.s}, "a", "b", "c", "d").begin()
		y.down("b", errPlay)
		for range 20 { // one after the other
			for _, m := range slices.Clone(y.p.members) {
				switch m.state {
				case memberStopping:
					y.down(m.spec.ID, nil)
				case memberStarting:
					y.up(m.spec.ID)
				}
			}
		}
		y.wants(row.want...)
		y.is("a+ b+ c+ d+")
	}
}

// Nobody is started while one that has to be stopped before still runs.
func TestPolicyStopsBeforeItStarts(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Strategy: OneForAll}, "a", "b", "c").begin()
	y.down("a", errPlay)
	y.wants("stop c")
	y.wait(time.Hour)
	y.wants()
	y.down("c", nil)
	y.wants("stop b")
	y.down("b", nil)
	y.wants("start a")
}

// A child that dies while its siblings are stopped for another's sake counts as
// stopped: that is one restart, not two.
func TestPolicyTogether(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Strategy: OneForAll}, "a", "b", "c").begin()
	y.down("c", errPlay)
	y.wants("stop b")
	y.down("a", errPlay)
	y.down("b", errPlay)
	y.wants("start a")
	if n := len(y.p.restarts.at); n != 1 {
		t.Errorf("%d restarts, want 1", n)
	}
}

// Another child fails to come back: one-for-all begins again with all,
// rest-for-one with that child and those after it, and each try counts. OTP:
// one_for_all_other_child_fails_restart, rest_for_one_other_child_fails_restart.
func TestPolicyOtherFailsToRestart(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Strategy: OneForAll, Intensity: 2}, "a", "b", "c").begin()
	y.down("a", errPlay)
	y.down("c", nil)
	y.down("b", nil)
	y.up("a")
	y.wants("stop c", "stop b", "start a", "start b")
	y.down("b", errPlay)
	y.wants("stop a")
	y.down("a", nil)
	y.up("a", "b", "c")
	y.wants("start a", "start b", "start c")

	y = newPlay(t, GroupOptions{Strategy: RestForOne, Intensity: 2}, "a", "b", "c").begin()
	y.down("a", errPlay)
	y.down("c", nil)
	y.down("b", nil)
	y.up("a")
	y.wants("stop c", "stop b", "start a", "start b")
	y.down("b", errPlay)
	y.wants("start b")
	y.up("b", "c")
	y.is("a+ b+ c+")
	if y.p.phase != phaseRunning {
		t.Errorf("phase %d", y.p.phase)
	}
}

// Temporary children are not restarted with their siblings, and are children no
// more; a child that had ended or was terminated comes back. OTP:
// temporary_bystander; terminate_child, "can later be restarted by the supervisor".
func TestPolicyBystanders(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Strategy: OneForAll}, "a", "b:temporary", "c:transient", "d").begin()
	y.down("c", nil)
	y.p.terminate(y.member("d"))
	y.next()
	y.down("d", nil)
	y.is("a+ b+ c- d-")
	y.log = nil
	y.down("a", errPlay)
	y.wants("stop b")
	y.down("b", nil)
	y.up("a", "c", "d")
	y.is("a+ c+ d+")

	y = newPlay(t, GroupOptions{Strategy: RestForOne}, "a:temporary", "b", "c:temporary").begin()
	y.down("a", errPlay) // concerns nobody
	y.wants()
	y.down("b", errPlay)
	y.down("c", nil)
	y.up("b")
	y.is("b+")
}

// Intensity and period. OTP: one_for_one_escalation, "more than MaxR restarts
// occur within MaxT seconds"; a restart exactly MaxT ago counts.
func TestPolicyIntensity(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		intensity int
		gaps      []time.Duration // before each failure
		gaveUp    bool
	}{
		{0, []time.Duration{0}, false}, // OTP's default: 1 within 5 s
		{0, []time.Duration{0, 0}, true},
		{0, []time.Duration{0, 5 * time.Second}, true},
		{0, []time.Duration{0, 5*time.Second + 1, 5*time.Second + 1}, false},
		{NoRestarts, []time.Duration{time.Hour}, true},
		{3, []time.Duration{0, time.Second, time.Second}, false},
		{3, []time.Duration{0, time.Second, time.Second, time.Second}, true},
		{3, []time.Duration{0, 3 * time.Second, time.Second, 2 * time.Second}, false},
		{3, []time.Duration{0, 3 * time.Second, time.Second, 2 * time.Second, 2 * time.Second}, true},
	} {
		for s := OneForOne; s <= RestForOne; s++ {
			y := newPlay(t, GroupOptions{Strategy: s, Intensity: row.intensity}, "a").begin()
			for i, gap := range row.gaps {
				y.wait(gap)
				y.down("a", fmt.Errorf("%w: %d", errPlay, i))
				if y.p.phase == phaseRunning {
					y.up("a")
				} else if i != len(row.gaps)-1 {
					t.Errorf("%+v: gave up after %d failures", row, i+1)
				}
			}
			var e *IntensityError
			gaveUp := errors.As(y.p.err, &e)
			if gaveUp != row.gaveUp || (y.p.phase == phaseOver) != gaveUp {
				t.Errorf("%v, %+v: gave up: %v, phase %d", s, row, gaveUp, y.p.phase)
			}
			if gaveUp && (!errors.Is(e, ErrIntensity) || !errors.Is(e, errPlay) || e.Restarts != len(e.Failures) ||
				e.Failures[len(e.Failures)-1].Incarnation != len(row.gaps)) {
				t.Errorf("%+v: %v", row, e)
			}
		}
	}
}

// When it gives up, the others are stopped in reverse order.
func TestPolicyGivesUp(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Intensity: NoRestarts}, "a", "b", "c").begin()
	y.down("b", errPlay)
	y.wants("stop c")
	y.down("c", nil)
	y.wants("stop a")
	y.down("a", nil)
	if y.p.phase != phaseOver || !errors.Is(y.p.err, ErrIntensity) {
		t.Errorf("phase %d, error %v", y.p.phase, y.p.err)
	}
}

// A restart that fails is tried again, each try counting. OTP: hanging_restart_loop.
func TestPolicyRestartFails(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Intensity: 3}, "a:transient", "b").begin()
	for range 3 {
		y.down("a", errPlay)
		y.wants("start a")
	}
	y.down("a", errPlay)
	y.wants("stop b")
}

// Delays double, chance takes up to the jitter off, and a child that was up for
// long begins anew. While one waits, the others are not touched.
func TestPolicyBackoff(t *testing.T) {
	t.Parallel()
	o := GroupOptions{Intensity: 100, Backoff: Backoff{Min: 100 * time.Millisecond, Max: time.Second, Reset: time.Minute}}
	y := newPlay(t, o, "a", "b").begin()
	for i, ms := range []int{75, 150, 300, 600, 750, 750} { // of 100, 200 ...; half of the half is taken off
		y.down("a", errPlay)
		y.is("a* b+")
		want := time.Duration(ms) * time.Millisecond
		if e := y.p.events[len(y.p.events)-1]; e.Kind != ChildRestarting || e.Delay != want || e.Incarnation != i+2 {
			t.Errorf("failure %d: %+v, want a delay of %v", i+1, e, want)
		}
		if at := y.p.wake(); !at.Equal(y.now.Add(want)) {
			t.Errorf("failure %d: wakes after %v, want %v", i+1, at.Sub(y.now), want)
		}
		y.wait(want - 1)
		y.wants()
		y.wait(1)
		y.wants("start a")
		y.up("a")
	}
	y.wait(time.Minute)
	y.down("a", errPlay)
	y.wait(75 * time.Millisecond)
	y.wants("start a")

	exact := Backoff{Min: time.Second, Jitter: NoJitter}
	exact, err := exact.withDefaults(5 * time.Second)
	if err != nil || exact.delay(1, 0.9) != time.Second || exact.delay(1000, 0.9) != 32*time.Second {
		t.Errorf("%+v, %v", exact, err)
	}
}

// Stopping during a backoff waits for nobody who does not run.
func TestPolicyStopsInBackoff(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Strategy: OneForAll, Backoff: Backoff{Min: time.Hour}}, "a", "b").begin()
	y.down("a", errPlay)
	y.down("b", nil)
	y.log = nil
	y.p.end(nil)
	y.next()
	y.wants()
	if y.p.phase != phaseOver || !y.p.wake().IsZero() {
		t.Errorf("phase %d", y.p.phase)
	}
}

// Terminate, Restart, Add and Remove. OTP: child_adm.
func TestPolicyDynamic(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Backoff: Backoff{Min: time.Hour}, Intensity: 10}, "a", "b").begin()
	y.p.terminate(y.member("a"))
	y.next()
	y.wants("stop a")
	y.down("a", errPlay)
	y.wants()
	y.is("a- b+")
	y.p.revive(y.member("a"))
	y.next()
	y.wants("start a")
	y.down("a", errPlay) // its caller hears of it, and it is not tried again
	y.wants()
	y.is("a- b+")
	y.down("b", errPlay)
	y.is("a- b*")
	y.p.terminate(y.member("b")) // ends the wait for the restart
	y.is("a- b-")
	y.wait(time.Hour)
	y.wants()

	y.p.add(parseSpec("c"))
	y.next()
	y.wants("start c")
	y.down("c", errPlay)
	y.is("a- b-") // it never was a child
	y.p.add(parseSpec("c"))
	y.p.add(parseSpec("d:temporary"))
	y.next()
	y.up("c", "d")
	y.is("a- b- c+ d+")
	y.p.terminate(y.member("d"))
	y.next()
	y.down("d", nil)
	y.is("a- b- c+") // a temporary one is gone when it ends
	y.p.remove(y.member("a"))
	y.is("b- c+")
}

// Children that decline to start stay, down; temporary ones do not. OTP:
// sup_start_ignore_child, sup_start_ignore_temporary_child.
func TestPolicyIgnore(t *testing.T) {
	t.Parallel()
	y := newPlay(t, GroupOptions{Strategy: OneForAll}, "a", "b:temporary", "c")
	y.p.begin()
	y.next()
	y.p.ignored(y.member("a"))
	y.next()
	y.p.ignored(y.member("b"))
	y.next()
	y.up("c")
	y.is("a- c+")
	if y.p.phase != phaseRunning {
		t.Errorf("phase %d", y.p.phase)
	}
	y.log = nil
	y.down("c", errPlay)
	y.wants("start a") // it is asked again
}

// OTP: supervisor_SUITE, auto_shutdown.
func TestPolicyAutoShutdown(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		auto AutoShutdown
		ends []string
		errs error
		over bool
	}{
		{AnySignificant, []string{"a"}, nil, true},
		{AnySignificant, []string{"c"}, errPlay, true},
		{AnySignificant, []string{"d"}, nil, false},
		{AllSignificant, []string{"a"}, nil, false},
		{AllSignificant, []string{"a", "c"}, nil, true},
		{AllSignificant, []string{"c", "a"}, nil, true},
	} {
		y := newPlay(t, GroupOptions{AutoShutdown: row.auto}, "a:transient!", "b", "c:temporary!", "d:transient").begin()
		for _, id := range row.ends {
			y.down(id, row.errs)
		}
		if over := y.p.phase == phaseStopping; over != row.over || y.p.err != nil {
			t.Errorf("%+v: ends %v, error %v", row, over, y.p.err)
		}
	}
	// A significant child that failed is restarted; one that was terminated, or
	// stopped for a sibling, ends nothing.
	y := newPlay(t, GroupOptions{Strategy: OneForAll, AutoShutdown: AnySignificant}, "a:transient!", "b").begin()
	y.down("a", errPlay)
	y.down("b", nil)
	y.up("a", "b")
	y.p.terminate(y.member("a"))
	y.next()
	y.down("a", nil)
	if y.p.phase != phaseRunning {
		t.Errorf("phase %d", y.p.phase)
	}
}

// Whatever happens in whatever order: no start while its predecessors are not
// up (all strategies but one-for-one), none of what is already up, no stop of
// what is down, at most one at a time of those that are stopped in order, and
// in the end everybody is down.
func TestPolicyRandom(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if s := os.Getenv("YUNTA_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("YUNTA_TEST_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		o := GroupOptions{Strategy: Strategy(r.IntN(3)), Intensity: 1 + r.IntN(30)}
		if r.IntN(2) == 0 {
			o.Backoff.Min = time.Second
		}
		y := newPlay(t, o, "a", "b:transient", "c:temporary", "d", "e:transient")
		y.p.begin()
		y.random(r)
		if t.Failed() {
			t.FailNow()
		}
	}
}

func (y *play) random(r *rand.Rand) {
	running := map[*member]bool{} // starting or up
	do := func() {
		for _, c := range y.p.next(y.now) {
			if c.stop != running[c.m] {
				y.t.Errorf("stop %v of %s, which runs: %v", c.stop, c.m.spec.ID, running[c.m])
			}
			running[c.m] = true // also while it stops
			if c.stop || y.p.strategy == OneForOne {
				continue
			}
			for _, o := range y.p.members {
				if o == c.m {
					break
				}
				if o.wanted && o.state != memberUp {
					y.t.Errorf("start of %s while %s is not up", c.m.spec.ID, o.spec.ID)
				}
			}
		}
	}
	do()
	for i := range 300 {
		if i == 200 {
			y.p.end(nil)
		}
		if len(y.p.members) > 0 {
			m := y.p.members[r.IntN(len(y.p.members))]
			var err error
			if r.IntN(2) == 0 {
				err = errPlay
			}
			switch k := r.IntN(12); {
			case k < 4 && m.state == memberStarting:
				y.p.up(m, y.now)
			case k < 6 && m.state != memberDown, m.state == memberStopping:
				running[m] = false
				y.p.down(m, y.now, err)
			case k == 6 && m.state == memberStarting:
				running[m] = false
				y.p.ignored(m)
			case k == 7 && y.p.phase == phaseRunning:
				y.p.terminate(m)
			case k == 8 && y.p.phase == phaseRunning && m.state == memberDown && !m.wanted:
				y.p.revive(m)
			case k == 9 && y.p.phase == phaseRunning && len(y.p.members) < 8:
				y.p.add(parseSpec(fmt.Sprintf("x%d:temporary", i)))
			}
		}
		do()
		y.now = y.now.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
		do()
	}
	for range 20 {
		for _, m := range slices.Clone(y.p.members) {
			if m.state != memberDown {
				running[m] = false
				y.p.down(m, y.now, nil)
				do()
			}
		}
	}
	if y.p.phase != phaseOver {
		y.t.Errorf("phase %d at the end", y.p.phase)
	}
}

// A child is silent when it has said nothing for the limit, but not if this
// program was not there to hear it.
func TestHeart(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for _, row := range []struct {
		name      string
		now, last int // in seconds since the first check was due
		next      int
	}{
		{"silent", 0, -10, 0},
		{"a little late", 5, -10, 0},
		{"overslept", 6, -10, 10},
		{"it beat", 0, -3, 7},
		{"it beat, overslept", 20, 19, 9},
		{"it beat and fell silent", 5, -6, 0},
	} {
		h := heart{limit: 10 * time.Second}
		if first := h.begin(at(-10)); first != 10*time.Second {
			t.Errorf("first check after %v", first)
		}
		if _, next := h.check(at(row.now), at(row.last)); next != time.Duration(row.next)*time.Second {
			t.Errorf("%s: next check after %v, want %v s", row.name, next, row.next)
		}
	}
}
