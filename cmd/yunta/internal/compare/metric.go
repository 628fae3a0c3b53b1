package compare

// A Metric is one number of a run.
type Metric struct {
	Key   string
	Label string
	Unit  string
	High  bool   // more is better
	Help  string // what it means and how it is measured
}

// Metrics are all there are, in the order in which they are shown.
var Metrics = []Metric{
	{"throughput", "throughput", "task/s", true, "tasks done per second by Map, from the call to the last result; workers are up and warm"},
	{"p50", "latency p50", "ms", false, "half of the calls took no longer: single Apply calls, one in flight per worker, from call to result"},
	{"p99", "latency p99", "ms", false, "99 of 100 calls took no longer"},
	{"max", "latency max", "ms", false, "the slowest call"},
	{"ready", "ready after", "ms", false, "from nothing to the first result: making the pool, its workers and one task"},
	{"pss", "memory PSS", "MB", false, "proportional set size of the whole process tree after the work, read in one sweep: shared pages are counted once"},
	{"rss", "sum of RSS", "MB", false, "the same with shared pages counted once for every process that maps them"},
	{"cpu", "processor time", "s", false, "user and system time of all processes of the run, start and end included"},
	{"gc_pause", "GC pauses", "ms", false, "the sum of all stops of the collector, over all heaps"},
	{"gc_max", "longest GC stop", "ms", false, "the longest of the last 256 stops of any heap"},
	{"gc_cycles", "GC cycles", "", false, "collections begun, over all heaps"},
	{"lock_wait", "waiting for lock", "%", false, "share of the workers' time that went into getting the lock, sampled at every sixteenth locking"},
	{"seconds", "wall time", "s", false, "from starting the command to its end"},
}

// MetricOf returns the metric of a key.
func MetricOf(key string) (Metric, bool) {
	for _, m := range Metrics {
		if m.Key == key {
			return m, true
		}
	}
	return Metric{}, false
}

// Main is the metric that a workload is judged by.
func (w *Workload) Main() string {
	for _, r := range w.Rows {
		if r.Metric == "throughput" || r.Metric == "seconds" {
			return r.Metric
		}
	}
	return ""
}
