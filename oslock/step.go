package oslock

// testHookStep is called between any two steps of a protocol that a kill may separate. Only tests set
// it. The paths of a free lock have no such steps: one atomic instruction does all.
var testHookStep func(name string)

func step(name string) {
	if testHookStep != nil {
		testHookStep(name)
	}
}
