package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"yunta/child/affinity"
)

// Pin says which cores the workers of a pool may run on. The zero Pin is
// PinAuto.
type Pin struct {
	mode pinMode
	sets [][]int
}

type pinMode int

const (
	pinAuto pinMode = iota
	pinNone
	pinCores
	pinSets
)

// The policies without arguments. Cores are those this process may use itself.
var (
	// PinAuto pins each worker to a core of its own while there are no more
	// workers than usable cores, and pins nothing otherwise, nor where the
	// system has no affinity call (macOS).
	PinAuto = Pin{}
	// PinNone leaves the workers where the kernel puts them.
	PinNone = Pin{mode: pinNone}
	// PinCores pins every worker to one core, round robin when there are more
	// workers than cores.
	PinCores = Pin{mode: pinCores}
)

// PinSets pins worker i to the CPUs of sets[i % len(sets)], numbered as the
// kernel numbers them.
func PinSets(sets ...[]int) Pin { return Pin{mode: pinSets, sets: sets} }

// masks returns the affinity mask of each of n workers, nil for none. It is an
// error to ask for what cannot be had, but not to leave it to the pool.
func (p Pin) masks(n int) ([][]int, error) {
	out := make([][]int, n)
	if p.mode == pinNone {
		return out, nil
	}
	usable, err := affinity.Usable()
	if err == nil && p.mode != pinAuto {
		err = affinity.Supported()
	}
	if err != nil {
		if p.mode == pinAuto {
			return out, nil
		}
		return nil, fmt.Errorf("supervisor: pinning workers: %w", err)
	}
	switch p.mode {
	case pinAuto:
		if n > len(usable) || affinity.Supported() != nil {
			return out, nil //nolint:nilerr // what cannot be had is not asked for
		}
		fallthrough
	case pinCores:
		if len(usable) == 0 {
			return nil, errors.New("supervisor: pinning workers: no usable core")
		}
		for i, c := range cores.take(usable, n) {
			out[i] = []int{c}
		}
	case pinSets:
		if len(p.sets) == 0 {
			return nil, errors.New("supervisor: PinSets without a set")
		}
		may := make(map[int]bool, len(usable))
		for _, c := range usable {
			may[c] = true
		}
		for _, set := range p.sets {
			if len(set) == 0 {
				return nil, errors.New("supervisor: PinSets: an empty set")
			}
			for _, c := range set {
				if !may[c] {
					return nil, fmt.Errorf("supervisor: PinSets: CPU %d is not among the usable ones %v", c, usable)
				}
			}
		}
		for i := range out {
			out[i] = p.sets[i%len(p.sets)]
		}
	}
	return out, nil
}

// cores counts how many workers of this process's pools are pinned to each
// core, so that a second pool begins with the cores the first left free.
var cores coreUse

type coreUse struct {
	mu  sync.Mutex
	use map[int]int
}

// take picks n of the usable cores, the least used first, and counts them.
func (u *coreUse) take(usable []int, n int) []int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.use == nil {
		u.use = make(map[int]int)
	}
	order := slices.Clone(usable)
	slices.SortStableFunc(order, func(a, b int) int { return u.use[a] - u.use[b] })
	out := make([]int, n)
	for i := range out {
		out[i] = order[i%len(order)]
		u.use[out[i]]++
	}
	return out
}

// give takes masks that were picked off the count again.
func (u *coreUse) give(masks [][]int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, m := range masks {
		if len(m) == 1 && u.use[m[0]] > 0 {
			u.use[m[0]]--
		}
	}
}
