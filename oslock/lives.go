package oslock

// Self returns the number by which the members of the user's registry know this process, and joins the
// registry first if need be. It is never 0, fits 29 bits, and stays the same for the life of the process. Whoever
// keeps something in shared memory for a process marks it with this number, so that others can take it
// back after a death: see [IfDead].
func Self() (uint32, error) {
	r, err := member()
	if err != nil {
		return 0, err
	}
	return r.me, nil
}

// IfDead calls f if the process of that number has died, and reports whether it did. While f runs the number
// is not given to anybody else; afterwards it may be, so what f does must be all that is done about this
// death. That f is not called is no proof of life: a death shows late, and may be impossible to see.
// It costs some 5 us.
func IfDead(number uint32, f func()) (bool, error) {
	r, err := member()
	if err != nil {
		return false, err
	}
	if number == r.me || number&numberMask != number || number == 0 {
		return false, nil
	}
	verdict, proof := r.judge(number)
	defer release(proof)
	if verdict != dead {
		return false, nil
	}
	f()
	return true, nil
}
