package compare

import (
	"fmt"
	"strings"
)

func (w *Workload) series(arm string) (Series, bool) {
	for _, s := range w.Curves {
		if s.Arm == arm {
			return s, true
		}
	}
	return Series{}, false
}

func (r *Report) curveSentences(w *Workload) []string {
	shown := r.Shown()
	if w.Curve == nil || len(shown) == 0 {
		return nil
	}
	switch w.Curve.Kind {
	case "scaling":
		return r.scalingSentences(w, shown)
	case "crossing":
		return r.crossingSentences(w, shown)
	case "length":
		return r.lengthSentences(w, shown)
	}
	return nil
}

// scalingSentences tell how much faster the work is with as many workers as were compared than with one.
func (r *Report) scalingSentences(w *Workload, shown []Arm) []string {
	var parts []string
	for _, arm := range shown {
		s, found := w.series(arm.Key)
		if !found || len(s.Points) < 2 || s.Points[0].X != 1 || s.Points[0].Median <= 0 {
			continue
		}
		for _, p := range s.Points[1:] {
			if p.X == float64(r.Workers) {
				parts = append(parts, fmt.Sprintf("%s %sx", arm.Name, Num(p.Median/s.Points[0].Median)))
			}
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s: with %d workers instead of one: %s (ideal: %dx).", w.Name, r.Workers, strings.Join(parts, ", "), r.Workers)}
}

func (r *Report) crossingSentences(w *Workload, shown []Arm) []string {
	var out []string
	for _, arm := range shown {
		s, found := w.series(arm.Key)
		if !found || len(s.Points) == 0 {
			continue
		}
		first, last := s.Points[0], s.Points[len(s.Points)-1]
		out = append(out, fmt.Sprintf("%s: there and back by %s: %s for %s, %s for %s.", w.Name, arm.Name,
			Duration(first.Median*1e3), Bytes(first.X), Duration(last.Median*1e3), Bytes(last.X)))
	}
	return out
}

// Free returns the task length, in nanoseconds, from which on the first arm costs no more than the second as far as the runs can
// tell: no longer task shows it slower by more than one percent. There may be no such length among those that were tried.
func (w *Workload) Free() (ns float64, found bool) {
	if w.Curve == nil || len(w.Curves) == 0 {
		return 0, false
	}
	points := w.Curves[0].Points
	for i := len(points) - 1; i >= 0; i-- {
		d := points[i].Diff
		if d == nil || d.Verdict == TooFew || slower(d, w.Curve.High) {
			break
		}
		ns, found = points[i].X, true
	}
	return ns, found
}

func (r *Report) lengthSentences(w *Workload, shown []Arm) []string {
	if len(shown) < 2 || len(w.Curves) < 2 || len(w.Curves[0].Points) == 0 {
		return nil
	}
	a, b := shown[0].Name, shown[1].Name
	points := w.Curves[0].Points
	if points[0].Diff == nil || points[0].Diff.Verdict == TooFew {
		return nil
	}
	ns, found := w.Free()
	longest := points[len(points)-1]
	switch {
	case !found:
		return []string{fmt.Sprintf("%s: up to the longest tasks tried, %s, %s costs more than %s (%s there).",
			w.Name, Duration(longest.X), a, b, Change(longest.Diff.Ratio))}
	case ns == points[0].X:
		return []string{fmt.Sprintf("%s: at no task length from %s on did %s cost more than %s, as far as these runs tell.", w.Name, Duration(ns), a, b)}
	}
	return []string{fmt.Sprintf("%s: from tasks of %s on %s costs nothing over %s that these runs could show; with tasks of %s the time is %s.",
		w.Name, Duration(ns), a, b, Duration(points[0].X), Change(points[0].Diff.Ratio))}
}

// faultSentences count what each arm survived.
func (r *Report) faultSentences(w *Workload) []string {
	var out []string
	for _, arm := range r.Shown() {
		tried, contained := 0, 0
		bad := map[string][]string{}
		for _, f := range w.Faults {
			if f.Arm != arm.Key || f.Outcome == "skipped" {
				continue
			}
			tried++
			if f.Outcome == "contained" {
				contained++
			} else {
				bad[f.Outcome] = append(bad[f.Outcome], f.Fault)
			}
		}
		if tried == 0 {
			continue
		}
		text := fmt.Sprintf("%s: %s contained %d of %d faults", w.Name, arm.Name, contained, tried)
		if faults := bad["leaked"]; len(faults) > 0 {
			text += ", was left with something that never ends after " + list(faults)
		}
		if faults := bad["lost"]; len(faults) > 0 {
			text += ", lost the whole run to " + list(faults)
		}
		if faults := bad["hung"]; len(faults) > 0 {
			text += ", hung for ever after " + list(faults)
		}
		out = append(out, text+".")
	}
	return out
}

// slower reports whether the first arm is the worse one by more than a percent.
func slower(d *Difference, high bool) bool {
	if high {
		return d.Real() && d.Ratio < 0.99
	}
	return d.Real() && d.Ratio > 1.01
}
