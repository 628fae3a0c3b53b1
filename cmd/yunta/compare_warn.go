package main

import (
	"fmt"

	"yunta/cmd/yunta/internal/compare"
)

// disturbed is how many processors others may use before a run is spoken of.
const disturbed = 0.3

// warn says what makes the numbers of this comparison doubtful.
func (c *comparison) warn() {
	r := c.r
	var loads []float64
	all, failed := 0, 0
	for _, w := range r.Workloads {
		for _, run := range w.Runs {
			all++
			if run.Error != "" {
				failed++
			}
			if run.Load > disturbed {
				loads = append(loads, run.Load)
			}
		}
	}
	if len(loads) > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("In %d of %d runs other programs used more than %.1f of a processor (%s in the middle): "+
			"times are longer than on a quiet machine, and the kernel may favour one side, since it serves sooner what sleeps and wakes "+
			"than what computes. Repeat it on a quiet machine before believing a rate.",
			len(loads), all, disturbed, compare.Num(compare.Summarize(loads).Median)))
	}
	if failed > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d of %d runs failed and do not count.", failed, all))
	}
	if r.Workers > r.Machine.CPUs {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d workers share %d cores.", r.Workers, r.Machine.CPUs))
	}
	if r.Workers > 0 && c.executor.CPUs == nil {
		r.Warnings = append(r.Warnings, "This system has no call to confine a run to as many cores as there are workers.")
	}
	if r.Machine.Steal > 0.02 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("The host of this virtual machine took %s of its time.", compare.Percent(r.Machine.Steal)))
	}
	if r.Runs < 6 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("With %d runs a median has no 95 %% interval: that takes 6.", r.Runs))
	}
}

// keepLanes forgets what the workers did in any run but the middle one of each arm: the page shows one.
func keepLanes(r *compare.Report, w *compare.Workload) {
	kept := map[*compare.Run]bool{}
	for _, arm := range r.Shown() {
		kept[w.MedianRun(arm.Key)] = true
	}
	for _, run := range w.Runs {
		if !kept[run] {
			run.Lanes = nil
		}
	}
}
