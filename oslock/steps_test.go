package oslock

import (
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"yunta/oslock/futex"
)

// A process that dies at any step of the protocols hinders nobody. Unlike the torture, this gets to
// every one of them.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	lockSteps := []string{
		"about to sleep", "slept", "taken", "unlocked", "owner dead", "taken over", "repairing", "repaired",
	}
	permitSteps := []string{
		"about to sleep", "slept", "acquired", "permit taken", "permit given", "helping", "given back", "row claimed",
	}
	if futex.Native() { // elsewhere a wake-up never counts as lost, and needs no passing on
		lockSteps = append(lockSteps, "passing on", "reservation dropped")
		permitSteps = append(permitSteps, "passing on")
	}
	rwSteps := []string{
		"about to sleep", "slept", "taken", "unlocked", "share taken", "share given", "found dirty", "inside", "outside",
		"repairing", "repaired", "share of the dead dropped", "taken over",
	}
	condSteps := []string{
		"about to sleep", "seated", "waiting", "waited", "risen", "marked", "rung", "taken", "passing on",
	}
	barrierSteps := []string{"about to sleep", "arrived", "turned", "left", "giving up", "acting", "buried"}
	if futex.Native() {
		rwSteps = append(rwSteps, "writer told")
	}
	rnd := seed(t)
	for _, row := range []struct {
		hp    *helper
		steps []string
	}{
		{lockTorturer, lockSteps},
		{permitTorturer, permitSteps},
		{rwTorturer, rwSteps},
		{condTorturer, condSteps},
		{barrierTorturer, barrierSteps},
		{eventTorturer, []string{"about to sleep", "slept", "set"}},
	} {
		for _, step := range row.steps {
			number := func(i int) string { return strconv.FormatUint(role(rnd.Uint64(), i), 10) }
			first, second, third := number(0), number(1), number(1)
			if step == "set" { // the part that the others do not play
				third = number(0)
			}
			t.Run(row.hp.name+"/"+step, func(t *testing.T) {
				t.Parallel()
				board, file := filepath.Join(t.TempDir(), "board"), tempPath(t)
				b, err := openBoard(board)
				if err != nil {
					t.Fatal(err)
				}
				defer b.r.Unmap()
				others := []*process{
					row.hp.start(t, nil, board, file, first, "none"), row.hp.start(t, nil, board, file, second, "none"),
				}
				doomed := row.hp.start(t, nil, board, file, third, step)
				ended := after(doomed.death)
				for n := 0; ; n++ {
					select {
					case err := <-ended:
						if !diedBy(err, syscall.SIGKILL) {
							t.Fatalf("ended by itself: %v", err)
						}
					case <-time.After(30 * time.Millisecond):
						if n == 60 {
							t.Skip("a rare step, not reached this time")
						}
						// Some steps come only after the death of another.
						others[0].kill()
						others[0] = row.hp.start(t, nil, board, file, strconv.Itoa(2*n), "none")
						continue
					}
					break
				}
				before := b.first().Load()
				eventually(t, "the others go on", func() bool { return b.first().Load() > before+20 })
				for _, p := range others {
					p.kill()
				}
				if n := b.violations().Load(); n != 0 {
					t.Errorf("%d violations", n)
				}
			})
		}
	}
}
